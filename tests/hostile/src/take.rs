//! Structured input from bytes: whatever they are, they mean something, and a small change to them is a small change to it.

/// Takes values off the front. At the end everything is zero.
#[derive(Clone, Debug)]
pub struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    /// Starts at the front.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn u8(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// Something below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        usize::from(self.u8()) % n
    }

    /// Either.
    pub fn bool(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    /// Eight bytes.
    pub fn i64(&mut self) -> i64 {
        let mut bytes = [0; 8];
        bytes.fill_with(|| self.u8());
        i64::from_be_bytes(bytes)
    }

    /// A number: small ones, those at the edges, and any.
    pub fn number(&mut self) -> i64 {
        let kind = self.u8();
        match kind {
            0..=199 => i64::from(kind) % 100,
            200..=219 => i64::from(self.u8()) << 8 | i64::from(self.u8()),
            220..=245 => EDGES[usize::from(kind) % EDGES.len()],
            _ => self.i64(),
        }
    }

    /// A [`number`](Self::number) in 32 bits.
    pub fn number32(&mut self) -> i32 {
        let number = self.number();
        number.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    }

    /// At most `max` bytes, which is at most 65535.
    pub fn bytes(&mut self, max: usize) -> &'a [u8] {
        let wanted = usize::from(self.u8());
        let wanted =
            if wanted == 255 { usize::from(self.u8()) << 8 | usize::from(self.u8()) } else { wanted };
        let (taken, rest) = self.0.split_at(wanted.min(max).min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Short text.
    pub fn text(&mut self, max: usize) -> String {
        String::from_utf8_lossy(self.bytes(max)).into_owned()
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }
}

const EDGES: [i64; 12] = [
    -1,
    -2,
    i64::MAX,
    i64::MAX - 1,
    i64::MIN,
    i32::MAX as i64,
    i32::MAX as i64 + 1,
    i32::MIN as i64,
    i16::MAX as i64,
    i16::MIN as i64,
    1 << 20,
    1 << 40,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_end_everything_is_zero() {
        let mut take = Take::new(&[3, b'a', b'b', b'c', 9]);
        assert_eq!(take.bytes(2), b"ab");
        assert_eq!((take.u8(), take.u8(), take.u8(), take.i64(), take.number()), (b'c', 9, 0, 0, 0));
        assert!(take.is_empty() && take.bytes(9).is_empty() && !take.bool());
    }
}
