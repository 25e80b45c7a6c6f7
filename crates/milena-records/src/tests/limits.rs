//! Bombs: small batches that decompress to much, or say so. All are refused at the limit, and take no more memory than it.

use super::{batch_with, read_with};
use crate::*;

const LIMIT: usize = 1 << 20;

/// The fault of a batch with this record section, and the memory that decompressing it took.
fn explode(codec: Compression, section: &[u8]) -> (Fault, usize) {
    let mut decompressor = Decompressor::new().with_limit(LIMIT);
    let bytes = batch_with(1, 0, codec.id(), section);
    let fault = read_with(&mut decompressor, &bytes).unwrap_err().fault;
    // A refused output goes back to the pool, so this is what it had grown to.
    (fault, decompressor.idle_bytes())
}

fn compress(codec: Compression, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::Encoders::default().compress(codec, None, 2, input, &mut out).unwrap();
    out
}

#[test]
fn bombs_of_every_codec_are_refused_at_the_limit() {
    let zeros = vec![0; 16 * LIMIT];
    for codec in Compression::ALL.into_iter().skip(1).filter(|codec| codec.is_available()) {
        let (fault, taken) = explode(codec, &compress(codec, &zeros));
        assert_eq!(fault, Fault::DecompressedTooLarge { limit: LIMIT }, "{codec}");
        assert!(taken <= LIMIT + 1, "{codec} took {taken}");
    }
}

#[test]
fn exactly_the_limit_is_allowed_and_one_byte_more_is_not() {
    for codec in Compression::ALL.into_iter().skip(1).filter(|codec| codec.is_available()) {
        for (length, is_too_large) in [(LIMIT, false), (LIMIT + 1, true)] {
            let (fault, _) = explode(codec, &compress(codec, &vec![0; length]));
            // Zeros are no records, so what fits is refused for another reason.
            assert_eq!(
                matches!(fault, Fault::DecompressedTooLarge { .. }),
                is_too_large,
                "{codec} {length}: {fault}"
            );
        }
    }
}

#[test]
fn the_limit_can_be_set() {
    let decompressor = Decompressor::default();
    assert_eq!(decompressor.limit(), 64 * 1024 * 1024);
    assert_eq!(decompressor.with_limit(usize::MAX).limit(), i32::MAX as usize);
    let mut small = Decompressor::new().with_limit(0);
    if Compression::Gzip.is_available() {
        let bytes = super::batch_of(1, Compression::Gzip);
        assert_eq!(
            read_with(&mut small, &bytes).unwrap_err().fault,
            Fault::DecompressedTooLarge { limit: 0 }
        );
    }
    let plain = super::batch_of(1, Compression::None);
    assert!(read_with(&mut small, &plain).is_ok(), "what is not compressed takes no memory");
}

#[cfg(feature = "snappy")]
#[test]
fn snappy_that_claims_four_gigabytes_takes_no_memory() {
    // kafka-protocol #200, CVE-2023-34455: the claim is allocated.
    let claim = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, b'x'];
    let chunk = [&b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x07"[..], &claim].concat();
    for section in [&claim[..], &chunk] {
        let (fault, taken) = explode(Compression::Snappy, section);
        let what = "block claims more than it can hold";
        assert_eq!((fault, taken), (Fault::Corrupt { codec: Compression::Snappy, what }, 0));
    }
    // A claim of a thousand times its size that the limit would allow.
    let (fault, taken) = explode(Compression::Snappy, &[0xf0, 0x2e, 0x00, b'a', b'b', b'c']);
    assert!(matches!(fault, Fault::Corrupt { .. }) && taken == 0);
}

#[cfg(feature = "lz4")]
#[test]
fn an_lz4_content_size_of_two_to_the_62_is_not_believed() {
    // librdkafka #1445: allocates 255 times the input. Java ignores the field.
    let sized = super::codecs::lz4_frame(0x68, Some(1 << 62), &[super::raw_record(0, 0, b"v")]);
    let mut decompressor = Decompressor::new().with_limit(LIMIT);
    let records = read_with(&mut decompressor, &batch_with(1, 0, 3, &sized)).unwrap();
    assert_eq!(records, [(100, Some(b"v".to_vec()))]);
    assert!(decompressor.idle_bytes() <= 64 * 1024);
}

#[cfg(feature = "lz4")]
#[test]
fn an_lz4_frame_with_blocks_of_4_mib_gets_room_for_what_it_holds() {
    // librdkafka #1445 and others: room for the largest block, however small this one is.
    let mut frame = super::codecs::lz4_frame(0x60, None, &[super::raw_record(0, 0, b"v")]);
    frame[5] = 0x70;
    frame[6] = (codec::xxh32(&frame[4..6]) >> 8) as u8;
    let mut decompressor = Decompressor::new();
    assert!(read_with(&mut decompressor, &batch_with(1, 0, 3, &frame)).is_ok());
    assert!(decompressor.idle_bytes() <= 64 * 1024, "{}", decompressor.idle_bytes());
}

#[cfg(any(feature = "zstd", feature = "zstd-pure"))]
#[test]
fn thirty_kilobytes_of_zstd_that_hold_a_gigabyte_are_refused_at_the_limit() {
    // 8192 blocks that repeat one byte 128 KiB times.
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    for index in 0..8192_u32 {
        let header = u32::from(index == 8191) | 1 << 1 | (128 * 1024) << 3;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.push(0);
    }
    let (fault, taken) = explode(Compression::Zstd, &frame);
    assert_eq!(fault, Fault::DecompressedTooLarge { limit: LIMIT });
    assert!(taken <= LIMIT + 1);
}
