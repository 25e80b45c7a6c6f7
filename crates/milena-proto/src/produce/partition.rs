//! Which partition a record goes to.

use std::collections::BTreeMap;

use crate::cluster::ClusterView;
use crate::types::{TopicName, TopicPartition};

/// The partition that Java's producer puts a key into, of a topic with `partitions` partitions. 0 if there are none.
///
/// `BuiltInPartitioner.partitionForKey`.
pub fn partition_of_key(key: &[u8], partitions: i32) -> i32 {
    let positive = murmur2(key) & i32::MAX;
    positive.checked_rem(partitions).unwrap_or(0)
}

/// Java's `Utils.murmur2`: MurmurHash2 of 32 bits, in little endian, with a seed of its own.
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Java's lengths have 31 bits; a longer key fits into no record.
    let mut hash = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        let rest = tail.iter().rev().fold(0, |rest, byte| (rest << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash as i32
}

/// Where records without a key go: to one partition until its batch is full, then to the next (KIP-480). Larger batches
/// that way than by spreading record by record.
///
/// Java's next partition is a random one. Here it is the next that has a leader, in a circle: as even, and no chance
/// needed but for where a producer begins.
#[derive(Debug)]
pub(super) struct Sticky {
    seed: u64,
    current: BTreeMap<TopicName, TopicPartition>,
}

impl Sticky {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, current: BTreeMap::new() }
    }

    /// The partition to go on with, if it still is one with a leader.
    pub(super) fn current(&self, topic: &TopicName, view: &ClusterView) -> Option<&TopicPartition> {
        self.current.get(topic).filter(|current| view.leader(current).is_some())
    }

    /// Moves on to the next partition. Those without a leader are passed over, unless none has one. `None` if the topic is
    /// not known, or has no partitions.
    pub(super) fn advance(&mut self, topic: &TopicName, view: &ClusterView) -> Option<TopicPartition> {
        let known = view.topic(topic)?;
        let led = || {
            known.partitions().filter(|(_, partition)| partition.leader.is_some()).map(|(number, _)| number)
        };
        let next = match self.current.get(topic) {
            Some(current) => led().find(|number| *number > current.partition).or_else(|| led().next()),
            None => {
                let count = led().count() as u64;
                self.seed.checked_rem(count).and_then(|first| led().nth(first as usize))
            }
        };
        let next = next.or_else(|| known.partitions().next().map(|(number, _)| number))?;
        let next = TopicPartition::new(topic.clone(), next);
        self.current.insert(topic.clone(), next.clone());
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys in hex, their hash, and their partition of 7: printed by kafka-clients 4.3.1 on Java 17 in November 2026
    /// (`Utils.murmur2`, `Utils.toPositive`). The keys from the ninth to the thirteenth are those of Java's own test.
    const JAVA: [(&str, i32, i32); 17] = [
        ("", 275646681, 2),
        ("00", 375494588, 0),
        ("ff", -311467685, 5),
        ("0102", -1935140722, 5),
        ("010203", 2139322793, 6),
        ("01020304", -1698034171, 1),
        ("0102030405", 963186390, 5),
        ("80818283", 1420557722, 3),
        ("3231", -973932308, 3),
        ("666f6f626172", -790332482, 0),
        ("612d6c6974746c652d6269742d6c6f6e672d737472696e67", -985981536, 1),
        ("612d6c6974746c652d6269742d6c6f6e6765722d737472696e67", -1486304829, 0),
        (
            "6c6b6a683233346c68396669756839307932336f697568736166756a6861646f66323239706872396831396838396838",
            -58897971,
            3,
        ),
        ("c5be6c75c5a56f75c48d6bc3bd206bc5afc588", 874861404, 4),
        ("6b30", -704538303, 2),
        ("6b31", 1684045097, 0),
        ("6b32", 380483553, 2),
    ];

    #[test]
    fn keys_hash_as_in_java() {
        for (hex, hash, partition) in JAVA {
            let key: Vec<u8> = (0..hex.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
                .collect();
            assert_eq!(murmur2(&key), hash, "{hex}");
            assert_eq!(partition_of_key(&key, 7), partition, "{hex}");
        }
    }

    #[test]
    fn a_thousand_lengths_hash_as_in_java() {
        // The same program: fold * 1000003 + murmur2(key), keys of 0 to 999 bytes, byte i of length n is i * 31 + n.
        let fold = (0..1000usize).fold(0i64, |fold, len| {
            let key: Vec<u8> = (0..len).map(|at| (at * 31 + len) as u8).collect();
            fold.wrapping_mul(1_000_003).wrapping_add(i64::from(murmur2(&key)))
        });
        assert_eq!(fold, -6_762_332_435_734_491_485);
    }

    #[test]
    fn no_partitions_are_no_panic() {
        assert_eq!(partition_of_key(b"k", 0), 0);
        assert_eq!(partition_of_key(b"k", 1), 0);
    }
}
