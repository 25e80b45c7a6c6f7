//! The id that a member makes for itself (KIP-1082).

/// An id in the form of Java's `Uuid.randomUuid().toString()`: 16 bytes in URL-safe base 64. The same seed makes the same one.
pub(super) fn draw(seed: u64) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (high, low) = (mixed(seed), mixed(seed ^ 0x6a09_e667_f3bc_c908));
    let mut bits = (u128::from(high) << 64) | u128::from(low);
    // Version 4 of a UUID, as everybody's are.
    bits = (bits & !(0xf << 76)) | (0x4 << 76);
    bits = (bits & !(0x3 << 62)) | (0x2 << 62);
    // 22 digits are 132 bits: the last four are 0.
    let digit = |index: u32| {
        let digit = match index {
            21 => (bits << 4) & 0x3f,
            _ => (bits >> (122 - 6 * index)) & 0x3f,
        };
        char::from(DIGITS[usize::try_from(digit).unwrap_or(0)])
    };
    (0..22).map(digit).collect()
}

/// One step of splitmix64 (Vigna).
fn mixed(seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_22_characters_and_differ() {
        let ids: BTreeSet<String> = (0..1000).map(draw).collect();
        assert_eq!(ids.len(), 1000);
        let plain = |id: &String| {
            id.len() == 22 && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        assert!(ids.iter().all(plain), "{ids:?}");
        assert_eq!(draw(7), draw(7));
    }
}
