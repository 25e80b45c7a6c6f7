//! The frames of each codec, as Java's reader takes and refuses them (Kafka 4.3.1, unless said otherwise).

use super::{Seen, batch_with, raw_record, read, read_with};
use crate::*;

/// Three records, and what they are read as.
fn three() -> (Vec<u8>, Seen) {
    let long = b"long ".repeat(2000);
    let values = [&b"one"[..], &long, b"three"];
    let section =
        values.iter().enumerate().flat_map(|(delta, value)| raw_record(0, delta as i32, value)).collect();
    let read =
        values.iter().enumerate().map(|(delta, value)| (100 + delta as i64, Some(value.to_vec()))).collect();
    (section, read)
}

fn compress(codec: Compression, input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    codec::Encoders::default().compress(codec, None, 2, input, &mut out).unwrap();
    out
}

fn accepts(codec: Compression, section: &[u8]) {
    assert_eq!(read(&batch_with(3, 2, codec.id(), section)), Ok(three().1));
}

fn refuses(codec: Compression, section: &[u8], why: &'static str) {
    let expected = Fault::Corrupt { codec, what: why };
    assert_eq!(read(&batch_with(3, 2, codec.id(), section)).unwrap_err().fault, expected);
}

/// Every truncation of a good section is an error.
fn refuses_every_truncation(codec: Compression, section: &[u8]) {
    let mut decompressor = Decompressor::new();
    for end in 0..section.len() {
        let result = read_with(&mut decompressor, &batch_with(3, 2, codec.id(), &section[..end]));
        assert!(result.is_err(), "{codec} cut to {end} of {}", section.len());
    }
    assert!(read_with(&mut decompressor, &batch_with(3, 2, codec.id(), section)).is_ok());
}

#[test]
fn a_codec_that_was_left_out_names_the_feature() {
    for codec in Compression::ALL.into_iter().filter(|codec| !codec.is_available()) {
        let fault = read(&batch_with(1, 0, codec.id(), b"1234567")).unwrap_err().fault;
        let Fault::UnsupportedCodec { codec: named, reason } = fault else { panic!("{fault:?}") };
        assert!(named == codec && reason.contains(codec.name()), "{reason}");
        let build = BatchBuilder::new(codec).build(&mut Compressor::new());
        assert_eq!(build.unwrap_err(), BuildError::UnsupportedCodec { codec, reason });
    }
}

#[cfg(feature = "gzip")]
mod gzip {
    use super::*;
    use crate::crc::crc32;

    const CODEC: Compression = Compression::Gzip;

    fn member(input: &[u8]) -> Vec<u8> {
        compress(CODEC, input)
    }

    #[test]
    fn several_members_and_garbage_after_the_last_are_taken() {
        let (section, _) = three();
        let (a, b) = section.split_at(section.len() / 2);
        accepts(CODEC, &[member(a), member(b)].concat());
        accepts(CODEC, &[member(a), member(b""), member(b)].concat());
        let mut garbage = member(&section);
        for length in [1, 9, 18, 19, 40] {
            garbage.resize(garbage.len() + length, 0x1f);
            accepts(CODEC, &garbage);
        }
        // Even a good beginning is, if too little follows for a member.
        let good = member(&section);
        accepts(CODEC, &[&good[..], &good[..18]].concat());
        refuses(CODEC, &[&good[..], &good[..19]].concat(), "ends inside of the deflate stream");
    }

    #[test]
    fn a_second_member_that_begins_well_must_end_well() {
        // Java ignores what does not begin like a member; what does is part of the stream.
        let (section, _) = three();
        let mut second = member(b"second");
        let at = second.len() - 8;
        second[at] ^= 1;
        second.extend_from_slice(&[0; 8]);
        refuses(CODEC, &[member(&section), second].concat(), "checksum in the trailer");
    }

    #[test]
    fn all_parts_of_a_header_are_skipped() {
        let (section, _) = three();
        let body = member(&section)[10..].to_vec();
        let header =
            |flags: u8, parts: &[u8]| [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3][..], parts].concat();
        accepts(CODEC, &[header(0x04, &[3, 0, 1, 2, 3]), body.clone()].concat());
        accepts(CODEC, &[header(0x08, b"name\0"), body.clone()].concat());
        accepts(CODEC, &[header(0x18, b"name\0comment\0"), body.clone()].concat());
        let unchecked = header(0x1e, b"\x01\0xname\0comment\0");
        let crc = crc32(&unchecked) as u16;
        accepts(CODEC, &[unchecked.clone(), crc.to_le_bytes().to_vec(), body.clone()].concat());
        let wrong = [unchecked, (crc ^ 1).to_le_bytes().to_vec(), body].concat();
        refuses(CODEC, &wrong, "header checksum");
    }

    #[test]
    fn broken_streams_are_refused() {
        let (section, _) = three();
        let good = member(&section);
        let with = |at: usize, bits: u8| {
            let mut bytes = good.clone();
            bytes[at] ^= bits;
            bytes
        };
        refuses(CODEC, b"", "header is cut off");
        refuses(CODEC, &with(0, 1), "header");
        refuses(CODEC, &with(2, 1), "header");
        refuses(CODEC, &with(10, 0x06), "deflate stream");
        refuses(CODEC, &with(good.len() - 8, 1), "checksum in the trailer");
        refuses(CODEC, &with(good.len() - 1, 1), "length in the trailer");
        refuses_every_truncation(CODEC, &good);
    }
}

#[cfg(feature = "snappy")]
mod snappy {
    use super::*;

    const CODEC: Compression = Compression::Snappy;

    fn raw(input: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(input).unwrap()
    }

    fn xerial(version: u32, chunks: &[&[u8]]) -> Vec<u8> {
        let mut out = b"\x82SNAPPY\0".to_vec();
        out.extend_from_slice(&version.to_be_bytes());
        out.extend_from_slice(&version.to_be_bytes());
        for chunk in chunks {
            let block = raw(chunk);
            out.extend_from_slice(&(block.len() as u32).to_be_bytes());
            out.extend_from_slice(&block);
        }
        out
    }

    #[test]
    fn raw_and_xerial_of_any_version_are_taken() {
        let (section, _) = three();
        let (a, b) = section.split_at(section.len() / 2);
        accepts(CODEC, &raw(&section));
        for version in [0, 1, 2, 99, u32::MAX] {
            accepts(CODEC, &xerial(version, &[a, b]));
        }
    }

    #[test]
    fn several_streams_follow_one_another() {
        let (section, _) = three();
        let (a, b) = section.split_at(100);
        accepts(CODEC, &[xerial(1, &[a]), xerial(1, &[]), xerial(2, &[b])].concat());
    }

    #[test]
    fn up_to_three_bytes_at_the_end_are_ignored() {
        let (section, _) = three();
        for tail in [&b"\0"[..], b"\0\0", b"\0\0\0"] {
            accepts(CODEC, &[&xerial(1, &[&section]), tail].concat());
        }
    }

    #[test]
    fn broken_chunks_are_refused() {
        let (section, _) = three();
        let good = xerial(1, &[&section]);
        refuses(CODEC, &[&good[..], &8_u32.to_be_bytes(), b"1234567"].concat(), "chunk is cut off");
        refuses(CODEC, &[&good[..], &u32::MAX.to_be_bytes(), b"1234567"].concat(), "chunk is cut off");
        refuses(CODEC, &[&good[..], &0_u32.to_be_bytes()].concat(), "block");
        refuses(CODEC, &[&good[..], b"\x82SNA"].concat(), "header between chunks is cut off");
        refuses(CODEC, &[&good[..], b"\x82SNAlike a header, garbage"].concat(), "chunk is cut off");
        refuses(CODEC, &[&raw(&section)[..], b"x"].concat(), "block");
        refuses(CODEC, b"", "block");
        refuses(CODEC, &[0xff; 6], "block length");
    }

    #[test]
    fn streams_of_nothing_but_headers_end() {
        // CVE-2026-44302: fifteen bytes that never end. Each turn here takes some.
        let headers = xerial(1, &[]).repeat(1000);
        assert!(matches!(read(&batch_with(3, 2, 2, &headers)).unwrap_err().fault, Fault::RecordCount { .. }));
        let short = &xerial(1, &[])[..15];
        assert!(read(&batch_with(3, 2, 2, short)).is_err());
    }

    #[test]
    fn truncations_are_refused() {
        let (section, _) = three();
        refuses_every_truncation(CODEC, &raw(&section));
        let (a, b) = section.split_at(100);
        refuses_every_truncation(CODEC, &xerial(1, &[a, b]));
    }
}

/// An LZ4 frame with these flags and one block per part, all checksums true. Bit 0x20 clear: blocks are linked.
#[cfg(feature = "lz4")]
pub(super) fn lz4_frame(flags: u8, content_size: Option<u64>, parts: &[Vec<u8>]) -> Vec<u8> {
    use crate::codec::xxh32;

    let mut out = vec![0x04, 0x22, 0x4d, 0x18, flags, 0x40];
    out.extend(content_size.iter().flat_map(|size| size.to_le_bytes()));
    let checksum = (xxh32(&out[4..]) >> 8) as u8;
    out.push(checksum);
    let mut before = Vec::new();
    for part in parts {
        let dictionary = if flags & 0x20 == 0 { &before[..] } else { &[] };
        let block = lz4_flex::block::compress_with_dict(part, dictionary);
        out.extend_from_slice(&(block.len() as u32).to_le_bytes());
        out.extend_from_slice(&block);
        if flags & 0x10 != 0 {
            out.extend_from_slice(&xxh32(&block).to_le_bytes());
        }
        before.extend_from_slice(part);
    }
    out.extend_from_slice(&[0; 4]);
    if flags & 0x04 != 0 {
        out.extend_from_slice(&xxh32(&before).to_le_bytes());
    }
    out
}

#[cfg(feature = "lz4")]
mod lz4 {
    use super::*;

    const CODEC: Compression = Compression::Lz4;
    const INDEPENDENT: u8 = 0x60;

    fn halves() -> [Vec<u8>; 2] {
        let (section, _) = three();
        let (a, b) = section.split_at(section.len() / 2);
        [a.to_vec(), b.to_vec()]
    }

    #[test]
    fn frames_of_all_shapes_are_taken() {
        accepts(CODEC, &lz4_frame(INDEPENDENT, None, &halves()));
        accepts(CODEC, &lz4_frame(INDEPENDENT | 0x08, Some(5), &halves()));
        accepts(CODEC, &lz4_frame(INDEPENDENT | 0x10, None, &halves()));
        accepts(CODEC, &lz4_frame(INDEPENDENT | 0x1c, Some(1 << 62), &halves()));
        // Stored blocks.
        let mut stored = lz4_frame(INDEPENDENT, None, &[]);
        stored.truncate(7);
        for half in halves() {
            stored.extend_from_slice(&(half.len() as u32 | 0x8000_0000).to_le_bytes());
            stored.extend_from_slice(&half);
        }
        stored.extend_from_slice(&0x8000_0000_u32.to_le_bytes());
        accepts(CODEC, &stored);
    }

    #[test]
    fn linked_blocks_are_taken_where_java_refuses_them() {
        // Java stops at the flag. Other clients write such frames and other readers read them, so the records are there.
        let linked = lz4_frame(0x40, None, &halves());
        assert!(
            linked.len() < lz4_frame(INDEPENDENT, None, &halves()).len(),
            "the second block refers to the first"
        );
        accepts(CODEC, &linked);
        // More than a window of 64 KiB, in many blocks.
        // The data repeats after 60,000 bytes only, so that blocks refer far back.
        let noise = |i: u32| (i % 15_000).wrapping_mul(2_654_435_761).rotate_left(7) ^ (i % 15_000);
        let value = (0..75_000).flat_map(|i| noise(i).to_le_bytes()).collect::<Vec<_>>();
        let section = raw_record(0, 0, &value);
        let parts: Vec<_> = section.chunks(50_000).map(<[u8]>::to_vec).collect();
        let read = read(&batch_with(1, 0, 3, &lz4_frame(0x40, None, &parts))).unwrap();
        assert_eq!(read, [(100, Some(value))]);
    }

    #[test]
    fn only_the_first_frame_counts() {
        let (section, _) = three();
        let frame = lz4_frame(INDEPENDENT, None, &[section]);
        for tail in [&b"garbage"[..], &frame, &[0; 4]] {
            accepts(CODEC, &[&frame, tail].concat());
        }
        // Java refuses what needs a second frame, too: the records of the first are too few.
        let [a, b] = halves();
        let two = [lz4_frame(INDEPENDENT, None, &[a]), lz4_frame(INDEPENDENT, None, &[b])].concat();
        assert!(read(&batch_with(3, 2, 3, &two)).is_err());
    }

    #[test]
    fn the_header_checksum_is_checked_in_magic_2_only() {
        let (section, _) = three();
        let mut frame = lz4_frame(INDEPENDENT, None, &[section]);
        frame[6] ^= 1;
        refuses(CODEC, &frame, "frame header checksum");
        // KAFKA-3160: writers of magic 0 hash the magic as well; what the builder writes is such a frame.
        let mut builder = LegacyBuilder::magic0(CODEC);
        let log = builder.push(&NewRecord::new(0).value("v")).build(&mut Compressor::new()).unwrap();
        let at = log.windows(4).position(|window| window == [0x04, 0x22, 0x4d, 0x18]).unwrap();
        let truth = (codec::xxh32(&log[at + 4..at + 6]) >> 8) as u8;
        assert_ne!(log[at + 6], truth);
        let batch = Batch::parse(log).unwrap();
        assert_eq!(batch.decode(&mut Decompressor::new()).unwrap().records().count(), 1);
    }

    #[test]
    fn broken_frames_are_refused() {
        let good = lz4_frame(INDEPENDENT | 0x10, None, &halves());
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        refuses(CODEC, &with(0, 5), "frame magic");
        refuses(CODEC, &[&[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0][..], &good].concat(), "frame magic");
        refuses(CODEC, &with(4, 0xa0), "frame flags");
        refuses(CODEC, &with(4, 0x62), "frame flags");
        refuses(CODEC, &with(4, 0x61), "frame flags");
        refuses(CODEC, &with(5, 0x30), "frame block size");
        refuses(CODEC, &with(5, 0x41), "frame block size");
        refuses(CODEC, &with(5, 0xc0), "frame block size");
        refuses(CODEC, &with(9, 0x02), "block is longer than the frame allows");
        let first_block = 11;
        refuses(CODEC, &with(first_block + 1, !good[first_block + 1]), "block checksum");
        let unchecked = lz4_frame(INDEPENDENT, None, &halves());
        let mut bytes = unchecked.clone();
        bytes[first_block] = !bytes[first_block];
        assert!(read(&batch_with(3, 2, 3, &bytes)).is_err());
    }

    #[test]
    fn a_block_that_refers_to_before_its_beginning_is_refused() {
        // RUSTSEC-2026-0041: with a reused buffer this must not show bytes of another batch.
        let mut decompressor = Decompressor::new();
        let (section, expected) = three();
        let frame = lz4_frame(INDEPENDENT, None, &[section]);
        assert_eq!(read_with(&mut decompressor, &batch_with(3, 2, 3, &frame)), Ok(expected));
        for flags in [INDEPENDENT, 0x40] {
            let mut frame = lz4_frame(flags, None, &[]);
            frame.truncate(7);
            // Four literals, then twenty bytes from a hundred bytes back, then five literals.
            let block = [0x4f, b'a', b'b', b'c', b'd', 100, 0, 1, 0x50, 1, 2, 3, 4, 5];
            frame.extend_from_slice(&(block.len() as u32).to_le_bytes());
            frame.extend_from_slice(&block);
            frame.extend_from_slice(&[0; 4]);
            let fault = read_with(&mut decompressor, &batch_with(3, 2, 3, &frame)).unwrap_err().fault;
            assert_eq!(fault, Fault::Corrupt { codec: CODEC, what: "block" });
        }
    }

    #[test]
    fn truncations_are_refused() {
        refuses_every_truncation(CODEC, &lz4_frame(INDEPENDENT | 0x1c, Some(3), &halves()));
        refuses_every_truncation(CODEC, &lz4_frame(0x40, None, &halves()));
    }
}

#[cfg(any(feature = "zstd", feature = "zstd-pure"))]
mod zstd {
    use super::*;

    const CODEC: Compression = Compression::Zstd;

    /// A frame with this descriptor and header, and blocks that store the input as it is.
    fn stored(descriptor: u8, header: &[u8], input: &[u8]) -> Vec<u8> {
        let mut out = [&[0x28, 0xb5, 0x2f, 0xfd, descriptor][..], header].concat();
        let blocks: Vec<_> = input.chunks(1000).collect();
        for (index, block) in blocks.iter().enumerate() {
            let header = u32::from(index + 1 == blocks.len()) | (block.len() as u32) << 3;
            out.extend_from_slice(&header.to_le_bytes()[..3]);
            out.extend_from_slice(block);
        }
        out
    }

    #[test]
    fn several_frames_and_skippable_frames_are_taken() {
        let (section, _) = three();
        let (a, b) = section.split_at(section.len() / 2);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"12345"].concat();
        accepts(CODEC, &[compress(CODEC, a), compress(CODEC, b)].concat());
        accepts(
            CODEC,
            &[skippable.clone(), compress(CODEC, a), skippable.clone(), compress(CODEC, b), skippable]
                .concat(),
        );
    }

    #[test]
    fn a_skippable_frame_that_is_cut_off_ends_the_input() {
        let (section, _) = three();
        let skippable = [&[0x5f, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"123"].concat();
        accepts(CODEC, &[compress(CODEC, &section), skippable].concat());
        refuses(
            CODEC,
            &[&compress(CODEC, &section)[..], &[0x5f, 0x2a, 0x4d, 0x18, 5]].concat(),
            "frame header",
        );
    }

    #[test]
    fn a_window_of_more_than_128_mib_is_refused() {
        let (section, _) = three();
        for window in [17 << 3 | 1, 21 << 3, 0xff] {
            refuses(CODEC, &stored(0, &[window], &section), "window is larger than 128 MiB");
        }
        // A content size beside a window is not what memory follows, but it has to be true, as in libzstd.
        let claim = |size: u64| [&[0x50][..], &size.to_le_bytes()].concat();
        accepts(CODEC, &stored(0xc0, &claim(section.len() as u64), &section));
        for size in [5, section.len() as u64 + 1, 1 << 62] {
            assert!(read(&batch_with(3, 2, 4, &stored(0xc0, &claim(size), &section))).is_err(), "{size}");
        }
        refuses(
            CODEC,
            &stored(0xe0, &(1_u64 << 62).to_le_bytes(), &section),
            "window is larger than 128 MiB",
        );
    }

    #[test]
    fn a_window_of_128_mib_is_taken_and_costs_nothing() {
        let (section, _) = three();
        let mut decompressor = Decompressor::new();
        let frame = stored(0, &[17 << 3], &section);
        let read = read_with(&mut decompressor, &batch_with(3, 2, 4, &frame));
        assert_eq!(read, Ok(three().1));
        assert!(decompressor.idle_bytes() < 1 << 20);
    }

    #[test]
    fn garbage_after_a_frame_is_refused() {
        let (section, _) = three();
        let frame = compress(CODEC, &section);
        for garbage in [&b"g"[..], b"garbage", b"garbage that is longer than any header"] {
            assert!(read(&batch_with(3, 2, 4, &[&frame, garbage].concat())).is_err());
        }
    }

    #[test]
    fn dictionaries_are_refused() {
        let (section, _) = three();
        assert!(read(&batch_with(3, 2, 4, &stored(1, &[0x38, 7], &section))).is_err());
    }

    #[test]
    fn truncations_are_refused() {
        let (section, _) = three();
        refuses_every_truncation(CODEC, &compress(CODEC, &section));
        refuses_every_truncation(CODEC, &stored(0, &[0x38], &section));
    }

    #[test]
    fn flips_in_every_byte_never_panic() {
        let (section, _) = three();
        let good = compress(CODEC, &section);
        let mut decompressor = Decompressor::new().with_limit(1 << 20);
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bytes = good.clone();
                bytes[at] ^= 1 << bit;
                let _ = read_with(&mut decompressor, &batch_with(3, 2, 4, &bytes));
            }
        }
        assert!(read_with(&mut decompressor, &batch_with(3, 2, 4, &good)).is_ok());
    }
}
