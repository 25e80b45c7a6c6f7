//! The codecs as Kafka uses them: which frames, which checksums, what may follow.
//!
//! One file per codec with both directions. Reading takes whatever Java's reader takes and believes no claimed size; writing
//! produces what Java's producer produces.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "lz4")]
mod lz4_block;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(feature = "lz4")]
mod xxh32;
#[cfg(feature = "zstd")]
mod zstd;
#[cfg(any(feature = "zstd", feature = "zstd-pure"))]
mod zstd_frame;
// Where both are on, libzstd wins; the other is compiled all the same, so that its tests run.
#[cfg(feature = "zstd-pure")]
#[cfg_attr(feature = "zstd", allow(dead_code))]
mod zstd_pure;
#[cfg(all(feature = "zstd-pure", not(feature = "zstd")))]
use zstd_pure as zstd;

#[cfg(all(test, feature = "lz4"))]
pub(crate) use xxh32::xxh32;

use crate::pool::Output;
use crate::{BuildError, Compression, Fault};

/// The decompression contexts, made when first needed.
#[derive(Default)]
pub(crate) struct Contexts {
    #[cfg(feature = "gzip")]
    gzip: gzip::Decoder,
    #[cfg(feature = "snappy")]
    snappy: snappy::Decoder,
    #[cfg(any(feature = "zstd", feature = "zstd-pure"))]
    zstd: zstd::Decoder,
}

impl Contexts {
    /// Decompresses all of `input`; `magic` is that of the batch around it.
    #[cfg_attr(not(feature = "lz4"), allow(unused_variables))]
    pub(crate) fn decompress(
        &mut self,
        codec: Compression,
        magic: i8,
        input: &[u8],
        output: &mut Output,
    ) -> Result<(), Fault> {
        match codec {
            Compression::None => output.write(input),
            #[cfg(feature = "gzip")]
            Compression::Gzip => self.gzip.decompress(input, output),
            #[cfg(feature = "snappy")]
            Compression::Snappy => self.snappy.decompress(input, output),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => lz4::decompress(input, magic, output),
            #[cfg(any(feature = "zstd", feature = "zstd-pure"))]
            Compression::Zstd => self.zstd.decompress(input, output),
            #[allow(unreachable_patterns)]
            codec => Err(Fault::UnsupportedCodec { codec, reason: missing_feature(codec) }),
        }
    }
}

/// The compression contexts, made when first needed.
#[derive(Default)]
pub(crate) struct Encoders {
    #[cfg(feature = "gzip")]
    gzip: gzip::Encoder,
    #[cfg(feature = "snappy")]
    snappy: snappy::Encoder,
    #[cfg(feature = "lz4")]
    lz4: lz4::Encoder,
    #[cfg(any(feature = "zstd", feature = "zstd-pure"))]
    zstd: zstd::Encoder,
}

impl Encoders {
    /// Appends the compressed `input` to `out`, as a producer of `magic` does. `level` is the codec's own, `None` its default.
    #[allow(unused_variables)]
    pub(crate) fn compress(
        &mut self,
        codec: Compression,
        level: Option<i32>,
        magic: i8,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BuildError> {
        match codec {
            Compression::None => {
                out.extend_from_slice(input);
                Ok(())
            }
            #[cfg(feature = "gzip")]
            Compression::Gzip => self.gzip.compress(level, input, out),
            #[cfg(feature = "snappy")]
            Compression::Snappy => self.snappy.compress(input, out),
            #[cfg(feature = "lz4")]
            Compression::Lz4 => self.lz4.compress(input, magic, out),
            #[cfg(any(feature = "zstd", feature = "zstd-pure"))]
            Compression::Zstd => self.zstd.compress(level, input, out),
            #[allow(unreachable_patterns)]
            codec => Err(BuildError::UnsupportedCodec { codec, reason: missing_feature(codec) }),
        }
    }
}

/// One LZ4 block to `out[start..]`, and where it ends there.
#[cfg(all(feature = "lz4", any(test, feature = "naive")))]
pub(crate) fn lz4_block(input: &[u8], out: &mut [u8], start: usize) -> Option<usize> {
    lz4_block::decompress(input, out, start).ok()
}

fn missing_feature(codec: Compression) -> &'static str {
    match codec {
        Compression::None => "always there",
        Compression::Gzip => "built without feature `gzip`",
        Compression::Snappy => "built without feature `snappy`",
        Compression::Lz4 => "built without feature `lz4`",
        Compression::Zstd => "built without feature `zstd` or `zstd-pure`",
    }
}
