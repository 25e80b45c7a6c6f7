//! Bombs: what decompresses to much more than it is, in every codec, from 64 KiB to 1 GiB. Each is refused at the cap,
//! streamed: at no time is more memory taken than the cap asks for.

use milena_hostile::oracle;
use records::{Compression, Decompressor, Fault, seams};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// Zeros of that size, compressed piece by piece: nobody has them all in memory.
fn bomb(codec: Compression, size: usize) -> Vec<u8> {
    let piece = |len: usize| seams::compress(codec, 2, &vec![0; len]).expect("it compresses");
    match codec {
        // Members follow one another.
        Compression::Gzip => piece(size.min(MIB)).repeat((size / MIB).max(1)),
        // So do frames: of blocks that repeat one byte 128 KiB times.
        Compression::Zstd => {
            let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
            let (count, len) = ((size / (128 * KIB)).max(1), size.min(128 * KIB));
            for index in 0..count {
                let header =
                    u32::from(index + 1 == count) | 1 << 1 | u32::try_from(len).expect("128 KiB") << 3;
                frame.extend_from_slice(&header.to_le_bytes()[..3]);
                frame.push(0);
            }
            frame
        }
        // A frame is a header of seven bytes, blocks of 64 KiB, and four bytes of zero.
        Compression::Lz4 => {
            let frame = piece(64 * KIB);
            let (header, rest) = frame.split_at(7);
            let (block, _) = rest.split_at(rest.len() - 4);
            let len = u32::from_le_bytes(*block.first_chunk().expect("a length")) & 0x7fff_ffff;
            let block = &block[..4 + usize::try_from(len).expect("short")];
            [header, &block.repeat(size / (64 * KIB)), &[0; 4]].concat()
        }
        // Snappy holds 21 times its size at most, so a gibibyte of it is no small input.
        Compression::Snappy => piece(size.min(64 * MIB)),
        Compression::None => unreachable!("nothing to decompress"),
    }
}

fn explode(codec: Compression, size: usize, cap: usize) {
    let bomb = bomb(codec, size);
    let mut decompressor = Decompressor::new().with_limit(cap);
    let (result, peak) =
        oracle::peak(|| seams::decompress(&mut decompressor, codec, 2, &bomb).map(|output| output.len()));
    let name = format!("{size} bytes of {codec} in {}", bomb.len());
    assert_eq!(result, Err(Fault::DecompressedTooLarge { limit: cap }), "{name}");
    // The buffer grows by doubling, so that its last copy and the one before are there at once; gzip's window besides.
    assert!(peak <= 2 * cap + 64 * KIB, "{name} took {peak} bytes, {cap} are allowed");
}

/// One test for all: memory is counted for the whole process.
#[test]
fn bombs_are_refused_at_the_cap_before_the_memory_is_taken() {
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        explode(codec, 64 * KIB, 32 * KIB);
        explode(codec, MIB, 64 * KIB);
        explode(codec, 64 * MIB, MIB);
        explode(codec, GIB, MIB);
        explode(codec, GIB, 16 * MIB);
        // What fits is no bomb.
        let fits = bomb(codec, 64 * KIB);
        let mut decompressor = Decompressor::new().with_limit(64 * KIB);
        let output = seams::decompress(&mut decompressor, codec, 2, &fits);
        assert_eq!(output.map(|output| output.len()), Ok(64 * KIB), "{codec}");
    }
}
