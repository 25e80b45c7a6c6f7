//! Small domains, all of them: varints, lengths of batch headers, offset arithmetic. (The commit gate's lies beside it, in
//! `milena-proto`'s `offsets/tests/gate_domain.rs`.)

use bytes::Bytes;
use milena_hostile::target;
use proto::connection::frame_length;
use proto::wire::Cursor;
use records::{Batch, BatchBuilder, Compression, Compressor, NewRecord, seams};

/// `ByteUtils.readVarint` in words: seven bits a byte, at most `max` bytes, what does not fit is shifted out.
fn varint(bytes: &[u8], max: usize, bits: u32) -> Option<(i64, usize)> {
    let mut raw = 0_u128;
    for (index, byte) in bytes.iter().take(max).enumerate() {
        raw |= u128::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let raw = raw & ((1 << bits) - 1);
            let magnitude = (raw >> 1) as i128;
            let value = if raw & 1 == 1 { -magnitude - 1 } else { magnitude };
            return Some((i64::try_from(value).expect("at most 64 bits"), index + 1));
        }
    }
    None
}

fn check_varint(bytes: &[u8]) {
    let int = seams::read_i32(bytes).map(|(value, used)| (i64::from(value), used));
    assert_eq!(int, varint(bytes, 5, 32), "{bytes:x?}");
    assert_eq!(seams::read_i64(bytes), varint(bytes, 10, 64), "{bytes:x?}");
}

#[test]
fn all_varints_of_up_to_three_bytes() {
    check_varint(&[]);
    for one in 0..=u8::MAX {
        check_varint(&[one]);
        for two in 0..=u8::MAX {
            check_varint(&[one, two]);
        }
    }
    // The low bits of a byte never change what its neighbours mean: of the first two, the edges and every third.
    let some =
        |byte: &u8| *byte < 3 || byte.is_multiple_of(3) || *byte > 0x7d && *byte < 0x83 || *byte > 0xfc;
    for one in (0..=u8::MAX).filter(some) {
        for two in (0..=u8::MAX).filter(some) {
            for three in 0..=u8::MAX {
                check_varint(&[one, two, three]);
            }
        }
    }
}

#[test]
fn varints_of_all_lengths_at_their_edges() {
    const EDGES: [u8; 7] = [0, 1, 0x0f, 0x10, 0x7f, 0x80, 0xff];
    for length in 4..=11_usize {
        // The last four bytes are all combinations of the edges; before them, all that go on alike.
        for before in [0x80, 0xff, 0xaa] {
            for number in 0..EDGES.len().pow(4) {
                let mut bytes = vec![before; length];
                for place in 0..4_u32 {
                    let edge = EDGES[number / EDGES.len().pow(place) % EDGES.len()];
                    bytes[length - 1 - place as usize] = edge;
                }
                check_varint(&bytes);
            }
        }
    }
}

/// Unsigned ones (KIP-482): 32 bits, and not one more.
#[test]
fn all_unsigned_varints_at_their_edges() {
    const EDGES: [u8; 9] = [0, 1, 2, 0x0f, 0x10, 0x7f, 0x80, 0x8f, 0xff];
    for length in 1..=6_u32 {
        for number in 0..EDGES.len().pow(length) {
            let bytes: Vec<u8> =
                (0..length).map(|place| EDGES[number / EDGES.len().pow(place) % EDGES.len()]).collect();
            let mut raw = 0_u64;
            let mut expected = None;
            for (index, byte) in bytes.iter().take(5).enumerate() {
                raw |= u64::from(byte & 0x7f) << (7 * index);
                if byte & 0x80 == 0 {
                    expected = u32::try_from(raw).ok();
                    break;
                }
            }
            let mut cursor = Cursor::new(Bytes::copy_from_slice(&bytes), true);
            assert_eq!(cursor.unsigned_varint("it").ok(), expected, "{bytes:x?}");
        }
    }
}

#[test]
fn every_int_and_long_at_the_edges_comes_back() {
    let mut edges = vec![0_i64];
    for bit in 0..63 {
        edges.extend([(1 << bit) - 1, 1 << bit, (1 << bit) + 1]);
    }
    edges.extend([i64::MAX - 1, i64::MAX]);
    for value in edges.iter().flat_map(|edge| [*edge, -edge, edge.wrapping_neg().wrapping_sub(1)]) {
        let mut bytes = Vec::new();
        seams::write_i64(&mut bytes, value);
        assert_eq!(seams::read_i64(&bytes), Some((value, bytes.len())));
        if let Ok(value) = i32::try_from(value) {
            bytes.clear();
            seams::write_i32(&mut bytes, value);
            assert_eq!(seams::read_i32(&bytes), Some((value, bytes.len())));
        }
    }
}

fn a_batch() -> Vec<u8> {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.push(&NewRecord::new(1).value(b"value")).expect("one record");
    builder.build(&mut Compressor::new()).expect("one record").to_vec()
}

/// Every length field near an edge, behind every number of bytes, in every magic: the walk over headers says what the naive
/// walk says.
#[test]
fn header_lengths_at_their_edges() {
    let walk = target::find("header_walk").expect("it is there").check;
    let one = a_batch();
    let two = [&one[..], &one].concat();
    let near = |len: i32| (len - 2)..=(len + 2);
    let whole = i32::try_from(one.len() - 12).expect("short");
    let lengths: Vec<i32> = [i32::MIN + 2, -12, 0, 14, 22, 49, whole, 2 * whole, i32::MAX - 2]
        .into_iter()
        .flat_map(near)
        .collect();
    for magic in [-1_i8, 0, 1, 2, 3, i8::MIN, i8::MAX] {
        for length in &lengths {
            let mut bytes = two.clone();
            bytes[8..12].copy_from_slice(&length.to_be_bytes());
            bytes[16] = magic as u8;
            for end in 0..=bytes.len() {
                walk(&bytes[..end]);
            }
        }
    }
}

/// Base offset, last offset delta and count: the range is exact in all cases, or there is none.
#[test]
fn offset_ranges_at_their_edges() {
    let int = i64::from(i32::MAX);
    let bases = [
        i64::MIN,
        i64::MIN + 1,
        -int - 1,
        -1,
        0,
        1,
        int,
        int + 1,
        i64::MAX - int - 1,
        i64::MAX - int,
        i64::MAX - 1,
        i64::MAX,
    ];
    let deltas = [i32::MIN, i32::MIN + 1, -1, 0, 1, 2, i32::MAX - 1, i32::MAX];
    for base in bases {
        for delta in deltas {
            let mut bytes = a_batch();
            bytes[..8].copy_from_slice(&base.to_be_bytes());
            bytes[23..27].copy_from_slice(&delta.to_be_bytes());
            seams::seal(&mut bytes);
            let last = i128::from(base) + i128::from(delta);
            let is_range = base >= 0 && delta >= 0 && last < i128::from(i64::MAX);
            match Batch::parse(bytes.into()) {
                Ok(batch) => {
                    assert!(is_range, "{base} + {delta}");
                    assert_eq!(i128::from(batch.last_offset()), last);
                    assert_eq!(i128::from(batch.next_offset()), last + 1);
                }
                Err(error) => assert!(!is_range, "{base} + {delta}: {error}"),
            }
        }
    }
}

#[test]
fn frame_lengths_at_their_edges() {
    let edges = [i32::MIN, -1, 0, 1, 3, 4, 5, 65_535, 65_536, 65_537, i32::MAX - 1, i32::MAX];
    for len in edges {
        for max in [0, 4, 65_536, i32::MAX as usize, usize::MAX] {
            let expected = usize::try_from(len).ok().filter(|len| (4..=max).contains(len));
            assert_eq!(frame_length(len.to_be_bytes(), max).ok(), expected, "{len} of {max}");
        }
    }
}
