//! Zigzag varints, read as Java's `ByteUtils` reads them.
//!
//! An int takes up to five bytes and a long up to ten. More bytes than needed are accepted ("overlong", brokers store
//! them), the bits of the last byte that do not fit are dropped, and one byte more is an error. The readers return
//! `None` for anything wrong: they are on the way of every record, and `diagnose` finds out later what it was.

const MORE: u8 = 0x80;
const BITS: u8 = 0x7f;

/// An int and what follows it.
#[inline(always)]
pub(crate) fn read_i32(bytes: &[u8]) -> Option<(i32, &[u8])> {
    // In almost every place of a record at least two bytes are left, so one look at the length does for both forms.
    let (raw, rest) = match bytes {
        [a, b, rest @ ..] => {
            if *a < MORE {
                (u32::from(*a), &bytes[1..])
            } else if *b < MORE {
                (u32::from(*a & BITS) | u32::from(*b) << 7, rest)
            } else {
                let (raw, used) = long_u32(bytes);
                (raw, bytes.get(used..).filter(|_| used > 0)?)
            }
        }
        [a] if *a < MORE => (u32::from(*a), &bytes[1..]),
        _ => return None,
    };
    Some((zigzag_i32(raw), rest))
}

/// A long and what follows it.
#[inline(always)]
pub(crate) fn read_i64(bytes: &[u8]) -> Option<(i64, &[u8])> {
    // In almost every place of a record at least two bytes are left, so one look at the length does for both forms.
    let (raw, rest) = match bytes {
        [a, b, rest @ ..] => {
            if *a < MORE {
                (u64::from(*a), &bytes[1..])
            } else if *b < MORE {
                (u64::from(*a & BITS) | u64::from(*b) << 7, rest)
            } else {
                let (raw, used) = long_u64(bytes);
                (raw, bytes.get(used..).filter(|_| used > 0)?)
            }
        }
        [a] if *a < MORE => (u64::from(*a), &bytes[1..]),
        _ => return None,
    };
    Some((zigzag_i64(raw), rest))
}

/// The value and how many bytes it takes, 0 if it does not end. Two registers; kept out of line so that the short forms stay
/// small where they are inlined.
#[inline(never)]
fn long_u32(bytes: &[u8]) -> (u32, usize) {
    let mut value = 0_u32;
    for (index, byte) in bytes.iter().take(MAX_BYTES_I32).enumerate() {
        value |= u32::from(byte & BITS) << (7 * index);
        if *byte < MORE {
            return (value, index + 1);
        }
    }
    (0, 0)
}

/// The same for ten bytes.
#[inline(never)]
fn long_u64(bytes: &[u8]) -> (u64, usize) {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(MAX_BYTES_I64).enumerate() {
        value |= u64::from(byte & BITS) << (7 * index);
        if *byte < MORE {
            return (value, index + 1);
        }
    }
    (0, 0)
}

fn zigzag_i32(raw: u32) -> i32 {
    (raw >> 1) as i32 ^ -((raw & 1) as i32)
}

fn zigzag_i64(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// Appends an int in as few bytes as it needs.
pub(crate) fn write_i32(out: &mut Vec<u8>, value: i32) {
    let mut raw = (value << 1 ^ value >> 31) as u32;
    while raw >= u32::from(MORE) {
        out.push(raw as u8 | MORE);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// Appends a long in as few bytes as it needs.
pub(crate) fn write_i64(out: &mut Vec<u8>, value: i64) {
    let mut raw = (value << 1 ^ value >> 63) as u64;
    while raw >= u64::from(MORE) {
        out.push(raw as u8 | MORE);
        raw >>= 7;
    }
    out.push(raw as u8);
}

/// Bytes [`write_i32`] takes.
pub(crate) fn size_i32(value: i32) -> usize {
    let raw = (value << 1 ^ value >> 31) as u32;
    (38 - (raw | 1).leading_zeros() as usize) / 7
}

/// Bytes [`write_i64`] takes.
pub(crate) fn size_i64(value: i64) -> usize {
    let raw = (value << 1 ^ value >> 63) as u64;
    (70 - (raw | 1).leading_zeros() as usize) / 7
}

/// Most bytes of an int.
pub(crate) const MAX_BYTES_I32: usize = 5;
/// Most bytes of a long.
pub(crate) const MAX_BYTES_I64: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_values_have_the_known_bytes() {
        for (value, bytes) in [
            (0, &[0_u8][..]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[126]),
            (64, &[128, 1]),
            (-65, &[129, 1]),
            (8191, &[254, 127]),
            (8192, &[128, 128, 1]),
            (i32::MAX, &[254, 255, 255, 255, 15]),
            (i32::MIN, &[255, 255, 255, 255, 15]),
        ] {
            let mut out = Vec::new();
            write_i32(&mut out, value);
            assert_eq!(out, bytes, "{value}");
            assert_eq!(read_i32(bytes), Some((value, &[][..])));
            assert_eq!(read_i64(bytes), Some((i64::from(value), &[][..])));
        }
    }

    #[test]
    fn overlong_varints_are_read_as_java_reads_them() {
        assert_eq!(read_i32(&[0x80, 0]), Some((0, &[][..])));
        assert_eq!(read_i32(&[0x82, 0x80, 0x80, 0x80, 0x00]), Some((1, &[][..])));
        // The fifth byte has room for four bits; Java shifts the other three out.
        assert_eq!(read_i32(&[0x80, 0x80, 0x80, 0x80, 0x70]), Some((0, &[][..])));
        let ten = [0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7e];
        assert_eq!(read_i64(&ten), Some((1, &[][..])));
    }

    #[test]
    fn a_varint_without_end_is_refused() {
        assert_eq!(read_i32(&[0x80; 5]), None);
        assert_eq!(read_i32(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x01]), None);
        assert_eq!(read_i64(&[0x80; 10]), None);
        assert_eq!(read_i64(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]), None);
        for len in 0..5 {
            assert_eq!(read_i32(&[0xff; 5][..len]), None);
        }
    }

    proptest! {
        #[test]
        fn every_int_comes_back(value: i32) {
            let mut out = Vec::new();
            write_i32(&mut out, value);
            prop_assert_eq!(out.len(), size_i32(value));
            out.push(7);
            prop_assert_eq!(read_i32(&out), Some((value, &[7][..])));
        }

        #[test]
        fn every_long_comes_back(value: i64) {
            let mut out = Vec::new();
            write_i64(&mut out, value);
            prop_assert_eq!(out.len(), size_i64(value));
            out.push(7);
            prop_assert_eq!(read_i64(&out), Some((value, &[7][..])));
        }
    }
}
