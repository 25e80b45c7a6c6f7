//! Ids that a broker makes up, out of a seed: the same run twice gives the same ids.

use uuid::Uuid;

/// A source of UUIDs (SplitMix64 behind it; nothing here needs to be secret).
#[derive(Clone, Debug)]
pub(crate) struct Ids {
    state: u64,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A version 4 UUID.
    pub(crate) fn uuid(&mut self) -> Uuid {
        let high = self.next() & !0xf000 | 0x4000;
        let low = self.next() & !(0b11 << 62) | (0b10 << 62);
        Uuid::from_u64_pair(high, low)
    }
}

impl Ids {
    /// A random id as Kafka's `Uuid` prints it: base64 for URLs, 22 characters.
    pub(crate) fn kafka_uuid(&mut self) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = self.uuid().as_u128();
        let sextet = |at: u32| {
            // 128 bits are 21 sextets and two bits, which are the upper ones of the last.
            let shifted = if at < 21 { bits >> (122 - 6 * at) } else { bits << 4 };
            char::from(ALPHABET[(shifted & 63) as usize])
        };
        (0..22).map(sextet).collect()
    }
}
