//! Some worlds in every build: a fixed number, and each that ever showed something.

use milena_sim::options::Options;
use milena_sim::run;
use milena_sim::world::live;

/// Worlds in which something was wrong once, and what.
const ONCE_WRONG: [(u64, &str); 3] = [
    // The consumer's loop took no rest while a commit was due and no coordinator was known: in simulated time that never ends.
    (3, "a commit is due while the coordinator is looked for"),
    // The same past the deadline of a close.
    (0, "the group cannot be left by the deadline"),
    (9, "the group cannot be left by the deadline, nor a last commit answered"),
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
