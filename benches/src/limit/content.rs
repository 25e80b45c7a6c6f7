//! Keys and values as `peers/java/WriteTopic.java` writes them: lines of JSON that compress as such lines do.

use std::fmt::Write as _;

/// Makes keys and values. The same seed makes the same ones.
#[derive(Debug)]
pub(crate) struct Content {
    words: Vec<String>,
    random: Random,
    number: u64,
    line: String,
    key: String,
}

impl Content {
    pub(crate) fn new(seed: u64) -> Self {
        // All partitions have the words in common.
        let mut random = Random(7);
        let words = (0..WORDS)
            .map(|_| (0..3 + random.below(7)).map(|_| char::from(b'a' + random.below(26) as u8)).collect())
            .collect();
        Self { words, random: Random(seed), number: 0, line: String::new(), key: String::new() }
    }

    /// The next record's key, of eight bytes, and its value, of exactly so many.
    pub(crate) fn next(&mut self, value_bytes: usize) -> (&str, &str) {
        self.key.clear();
        let _ = write!(self.key, "{:08x}", self.random.next() as u32);
        let (line, random) = (&mut self.line, &mut self.random);
        line.clear();
        let (number, id) = (self.number, random.next());
        let at = &self.words[random.below(16) as usize];
        let _ = write!(
            line,
            r#"{{"n":{number},"id":"{id:x}","at":"{at}","sum":{},"text":""#,
            random.below(100_000)
        );
        while line.len() < value_bytes {
            line.push_str(&self.words[random.below(WORDS) as usize]);
            line.push(' ');
        }
        line.truncate(value_bytes.saturating_sub(2));
        line.push_str("\"}");
        line.truncate(value_bytes);
        self.number += 1;
        (&self.key, &self.line)
    }
}

const WORDS: u64 = 200;

/// splitmix64, which is what Java's `SplittableRandom` is.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_the_length_that_was_asked_for() {
        let mut content = Content::new(1);
        for bytes in [0, 1, 10, 100, 1024] {
            let (key, value) = content.next(bytes);
            assert_eq!((key.len(), value.len()), (8, bytes));
        }
    }
}
