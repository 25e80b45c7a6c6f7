//! Small worlds, exhaustively: every interleaving of two members, two partitions, three records and three rebalances, with
//! answers that get lost, come late or come twice, and acknowledgements at any time.
//!
//! What is walked through are the machines themselves, not a model of them: two times [`Membership`], [`Assignments`], one
//! [`Tracker`] for each epoch and a [`Committer`], in a shell that does what the client's does. Only the coordinator is a model
//! (`coordinator.rs`), because it is the adversary. At every step `check.rs` demands what must always hold, and from a part of all
//! states everything must come to a good end once nothing goes wrong any more.
//!
//! `cargo xtask worlds` walks through more of it than a debug build should.
//!
//! [`Membership`]: milena_proto::group::Membership
//! [`Assignments`]: milena_proto::assignments::Assignments
//! [`Tracker`]: milena_proto::offsets::Tracker
//! [`Committer`]: milena_proto::offsets::Committer

mod action;
mod bound;
mod call;
mod check;
mod coordinator;
mod fingerprint;
mod member;
mod walk;
mod world;

use milena_proto::group::AssignorKind;

use crate::bound::Bound;
use crate::walk::{tell, walk};

/// Nothing goes wrong: members come, and acknowledge when they like.
const CALM: Bound = Bound {
    name: "calm",
    assignor: AssignorKind::Range,
    records: [2, 1],
    reads_ahead: true,
    rebalances: 3,
    losses: 0,
    late: 0,
    repeats: 0,
    expirations: 0,
    deadlines: 0,
    lowers: 0,
    leaves: 0,
};

/// One kind of trouble each; and two that the gate is made for.
const TROUBLES: [Bound; 8] = [
    CALM,
    Bound { name: "reads at any time", reads_ahead: false, ..CALM },
    Bound { name: "a loss", losses: 1, ..CALM },
    Bound { name: "a late answer", late: 1, ..CALM },
    Bound { name: "an answer twice", repeats: 1, ..CALM },
    Bound { name: "a session ends", expirations: 1, ..CALM },
    Bound { name: "a drain is cut short", deadlines: 1, leaves: 1, ..CALM },
    Bound { name: "a loss and a step back", losses: 1, lowers: 1, rebalances: 1, ..CALM },
];

/// The nearest so many states of each world, as many as a build walks through in seconds; all of them in `cargo xtask worlds`.
const STATES_MAX: usize = if cfg!(debug_assertions) { 300 } else { 20_000 };
/// From one state of so many, all must come to a good end.
const HEAL_EVERY: u64 = 16;

#[test]
fn no_interleaving_breaks_a_commit() {
    let states = std::env::var("MILENA_WORLDS_STATES").ok().and_then(|states| states.parse().ok());
    for bound in TROUBLES {
        for assignor in [AssignorKind::Range, AssignorKind::CooperativeSticky] {
            let bound = Bound { assignor, ..bound };
            let walked = walk(bound, states.unwrap_or(STATES_MAX), HEAL_EVERY);
            println!(
                "{}, {assignor:?}: {} states{}, {} transitions, {} deep, {} brought to a good end",
                bound.name,
                walked.states,
                if walked.is_cut { " and more" } else { "" },
                walked.transitions,
                walked.depth,
                walked.healed
            );
            if let Some(violation) = &walked.violation {
                panic!("{}", tell(bound, violation));
            }
        }
    }
}
