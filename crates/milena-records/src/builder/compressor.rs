//! Compression with contexts that are used again.

use crate::codec::Encoders;
use crate::{BuildError, Compression};

/// What building compressed batches needs beside the records. One per task that builds.
#[derive(Default)]
pub struct Compressor {
    encoders: Encoders,
    level: Option<i32>,
}

impl Compressor {
    /// One with each codec's default level, which is what Java's producer uses.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another level, in the codec's own scale: gzip 1 to 9, zstd -131072 to 22; snappy and lz4 have none here.
    ///
    /// Out of range means the nearest level for zstd and the default for gzip below 0. ruzstd knows one level only.
    pub fn with_level(mut self, level: i32) -> Self {
        self.level = Some(level);
        self
    }

    pub(super) fn compress(
        &mut self,
        codec: Compression,
        magic: i8,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), BuildError> {
        self.encoders.compress(codec, self.level, magic, input, out)
    }
}

impl std::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compressor").field("level", &self.level).finish_non_exhaustive()
    }
}
