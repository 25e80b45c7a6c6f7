//! Some worlds in every build: a fixed number, and each that ever showed something.

use milena_sim::options::Options;
use milena_sim::run;
use milena_sim::world::live;

/// Worlds in which something was wrong once, and what. A seed is that world as long as worlds are drawn as they were then: what was
/// found is kept as a planted defect too (`defects/`), which does not depend on that.
const ONCE_WRONG: [(u64, &str); 17] = [
    (3, "a commit is due while the coordinator is looked for"),
    (0, "the group cannot be left by the deadline"),
    (9, "the group cannot be left by the deadline, nor a last commit answered"),
    (108, "an answer takes more than its credit of the budget"),
    (119, "buffers of many small answers are larger than what was paid for"),
    (123, "an answer's buffer doubles beyond its credit"),
    (634, "a seek throws away what a revoke is about to commit"),
    (35, "offsets that compaction left empty hold the commit"),
    (841, "what was given up is called lost as well"),
    (37, "a commit that waited for its connection is sent after the member has left"),
    (531, "a commit that waited for its connection is sent in the next generation"),
    (547, "a commit that waited for its connection is sent after the partition was given up"),
    (560, "a log that is cut off, and has other records by and by"),
    (2052, "offsets that compaction left empty, in a batch that begins below the offset asked for"),
    (2092, "the same"),
    (3326, "a log is cut off while a batch is handed out record by record"),
    (2106, "a program that is slow to catch up"),
];

/// As many as a debug build lives through in a short while.
const SEEDS: u64 = 100;

/// Each of them is lived through twice.
const TWICE: u64 = 20;

#[test]
fn nothing_is_wrong_in_any_world() {
    let fixed = 1000..1000 + SEEDS;
    let seeds = ONCE_WRONG.iter().map(|(seed, _)| *seed).chain(fixed);
    let wrong: Vec<String> = seeds
        .map(run::seed)
        .filter(|report| !report.violations.is_empty())
        .map(|report| report.text)
        .collect();
    assert!(wrong.is_empty(), "{} worlds:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_same_seed_is_the_same_world() {
    for seed in 0..TWICE {
        let trace = || live(Options::draw(seed)).past.trace();
        assert_eq!(trace(), trace(), "seed {seed}");
    }
    let (one, other) = (live(Options::draw(0)).past.trace(), live(Options::draw(1)).past.trace());
    assert_ne!(one, other, "the hash does not tell worlds apart");
}
