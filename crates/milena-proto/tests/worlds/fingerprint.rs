//! Whether two states are the same one.
//!
//! A state is what its machines say of themselves (`Debug`), without what cannot matter to what comes next: which number a request,
//! a call or an epoch has (only which other one is the same), and what was only counted. Pauses are all zero here, so that the
//! dice which scatter them do not matter either.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Before each member's part of a dump: the numbers of one member say nothing about the other's.
pub(crate) const MEMBER: char = '\u{1}';

/// What is left out, from its name to its last character.
const COUNTED: [(&str, u8); 5] = [
    ("last_id: ", b','),
    ("last_epoch: ", b','),
    ("failures: ", b','),
    ("random: ", b' '),
    ("counters: CommitCounters {", b'}'),
];

/// What is numbered anew, in the order in which it turns up.
const NUMBERED: [(&str, Table); 4] = [
    ("RequestId(", Table::Requests),
    ("AssignmentEpoch(", Table::Epochs),
    ("@", Table::Epochs),
    ("CallId(", Table::Calls),
];

#[derive(Clone, Copy)]
enum Table {
    Requests,
    Epochs,
    Calls,
}

pub(crate) fn of(dump: &str) -> u64 {
    let bytes = dump.as_bytes();
    let mut hasher = DefaultHasher::new();
    let mut seen: [Vec<u64>; 3] = Default::default();
    let (mut from, mut at) = (0, 0);
    'dump: while at < bytes.len() {
        let rest = &bytes[at..];
        if rest[0] == MEMBER as u8 {
            seen[Table::Requests as usize].clear();
            seen[Table::Epochs as usize].clear();
        }
        for (name, last) in COUNTED {
            if rest.starts_with(name.as_bytes()) {
                bytes[from..at].hash(&mut hasher);
                at += rest.iter().position(|byte| *byte == last).map_or(rest.len(), |len| len + 1);
                from = at;
                continue 'dump;
            }
        }
        for (name, table) in NUMBERED {
            if rest.starts_with(name.as_bytes()) {
                at += name.len();
                bytes[from..at].hash(&mut hasher);
                let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit());
                let (number, len) = digits
                    .fold((0, 0), |(number, len), digit| (number * 10 + u64::from(digit - b'0'), len + 1));
                let seen = &mut seen[table as usize];
                let rank = seen.iter().position(|seen| *seen == number).unwrap_or(seen.len());
                if rank == seen.len() {
                    seen.push(number);
                }
                rank.hash(&mut hasher);
                at += len;
                from = at;
                continue 'dump;
            }
        }
        at += 1;
    }
    bytes[from..].hash(&mut hasher);
    hasher.finish()
}

#[test]
fn numbers_do_not_matter_but_which_are_the_same_does() {
    let same = |one: &str, other: &str| of(one) == of(other);
    assert!(same("a RequestId(7), RequestId(9), t-1@3", "a RequestId(1), RequestId(2), t-1@12"));
    assert!(!same("RequestId(7), RequestId(9)", "RequestId(7), RequestId(7)"));
    assert!(!same("t-1@3, AssignmentEpoch(3)", "t-1@3, AssignmentEpoch(4)"));
    assert!(!same("t-1@3", "t-0@3"));
    assert!(same("last_id: 4, x", "last_id: 17, x"));
    assert!(!same(
        "\u{1}RequestId(1)\u{1}RequestId(1)CallId(1)CallId(2)",
        "\u{1}RequestId(1)\u{1}RequestId(1)CallId(1)CallId(1)"
    ));
    assert!(same("\u{1}RequestId(1)\u{1}RequestId(1)", "\u{1}RequestId(1)\u{1}RequestId(5)"));
}
