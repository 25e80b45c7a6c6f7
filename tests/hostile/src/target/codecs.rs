//! Compressed bytes, without a batch around them.

use records::{Compression, Decompressor, Fault, seams};

use crate::oracle::{bound, within};
use crate::take::Take;

/// What an input may decompress to here: enough for several blocks of every codec, little enough to be quick.
pub const DECOMPRESSED_MAX: usize = 256 << 10;

/// What the codecs keep to decompress with, in Rust's memory: gzip's window and tables.
pub(super) const CONTEXTS: usize = 64 << 10;

/// One of the codecs that the format has.
pub(super) fn codec(take: &mut Take<'_>, magic: i8) -> Compression {
    match Compression::ALL[take.below(Compression::ALL.len())] {
        Compression::Zstd if magic < 2 => Compression::Gzip,
        codec => codec,
    }
}

/// Stops at the limit and not later; and what was compressed by us is read.
pub(super) fn stream(input: &[u8]) {
    let mut take = Take::new(input);
    let magic = (take.u8() % 3) as i8;
    let codec = codec(&mut take, magic);
    let input = take.rest();
    // What it decompresses to, while the buffer grows from half of that.
    let memory = bound(input.len()) + 2 * DECOMPRESSED_MAX + CONTEXTS;
    let result = within("decompressing", memory, || {
        let mut decompressor = Decompressor::new().with_limit(DECOMPRESSED_MAX);
        seams::decompress(&mut decompressor, codec, magic, input)
    });
    if let Ok(output) = &result {
        assert!(output.len() <= DECOMPRESSED_MAX);
    }
    // The same once more, with contexts that have seen the first.
    let mut decompressor = Decompressor::new().with_limit(DECOMPRESSED_MAX);
    for _ in 0..2 {
        assert_eq!(seams::decompress(&mut decompressor, codec, magic, input), result, "a context remembers");
    }
    let small = seams::decompress(&mut Decompressor::new().with_limit(1000), codec, magic, input);
    match (&result, small) {
        (Ok(output), small) if output.len() <= 1000 => assert_eq!(small.as_ref(), Ok(output)),
        (Ok(_), small) => assert_eq!(small, Err(Fault::DecompressedTooLarge { limit: 1000 })),
        (Err(_), small) => assert!(small.is_err()),
    }
    if input.len() <= 1000 {
        let compressed = seams::compress(codec, magic, input).expect("it is available");
        let back = seams::decompress(&mut decompressor, codec, magic, &compressed);
        assert_eq!(back.as_deref(), Ok(input));
    }
}

/// The same block by `lz4_flex`: the same bytes, or none from either.
///
/// The first two bytes are how much stands before the block, which matches may refer to, and how much room there is.
pub(super) fn lz4_block(input: &[u8]) {
    let mut take = Take::new(input);
    let before: Vec<u8> = (0..take.u8()).collect();
    let room = take.number().clamp(0, DECOMPRESSED_MAX as i64) as usize;
    let block = take.rest();
    let ours = seams::lz4_block(&before, block, room);
    let mut out = vec![0; room];
    let theirs = match lz4_flex::block::decompress_into_with_dict(block, &mut out, &before) {
        Ok(len) => Some(out[..len].to_vec()),
        Err(_) => None,
    };
    assert_eq!(ours, theirs);
}
