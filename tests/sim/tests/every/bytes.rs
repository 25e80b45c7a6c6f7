//! Every byte: a golden session, cut, stalled and split behind each of its bytes, both ways.
//!
//! The session is all that a member does: it joins alone, fetches, commits, gives half of what it has to another one, goes on,
//! and leaves. Whatever happens to one of its connections on the way: nothing is lost, nothing comes twice after a clean hand-over
//! (C6), and the commits are true.

use std::env;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use source::config::Assignor;

use crate::stage::{Program, Stage, alone};
use crate::wire::{Damage, Fault, Way, Wire};

/// What a session came to.
struct Session {
    /// Bytes to the broker and back.
    passed: [u64; 2],
    /// Whether the damage came.
    is_damaged: bool,
    wrong: Vec<String>,
}

fn session(assignor: Assignor, fault: Option<Fault>) -> Session {
    alone(async {
        let stage = Stage::new(assignor);
        let wire = Wire::new(&stage.cluster, fault);
        let done = play(&stage, &wire).await;
        let mut wrong = stage.judge();
        wrong.extend(done.err());
        let passed = Way::ALL.map(|way| wire.passed(way));
        Session { passed, is_damaged: fault.is_some() && !wire.is_whole(), wrong }
    })
}

async fn play(stage: &Stage, wire: &Wire) -> Result<(), String> {
    let first = Program::start(stage, "a", Arc::new(wire.clone()));
    stage.until("the first has committed", || stage.committed().iter().sum::<i64>() >= 8).await?;
    let second = Program::start(stage, "b", Arc::new(stage.cluster.clone()));
    stage.write(4);
    stage
        .until("both are members", || stage.cluster.group_members(milena_sim::member::GROUP).len() >= 2)
        .await?;
    stage.write(2);
    stage.all_is_committed().await?;
    first.leave();
    stage.until("the first has left", || first.is_over()).await?;
    stage.write(2);
    stage.all_is_committed().await?;
    second.leave();
    stage.until("the second has left", || second.is_over()).await
}

const ASSIGNORS: [Assignor; 2] = [Assignor::Range, Assignor::CooperativeSticky];

#[test]
fn a_session_is_the_same_every_time_and_nothing_is_wrong_with_it() {
    for assignor in ASSIGNORS {
        let (one, other) = (session(assignor, None), session(assignor, None));
        assert_eq!(one.wrong, Vec::<String>::new(), "{assignor:?}");
        assert_eq!(one.passed, other.passed, "{assignor:?}");
    }
}

/// All of them with MILENA_EVERY_BYTE=1, as `cargo xtask bytes` does; otherwise some, others for each commit.
#[test]
fn a_connection_that_breaks_behind_any_byte_costs_nothing() {
    let (step, first) = match env::var_os("MILENA_EVERY_BYTE") {
        Some(_) => (1, 0),
        None => (STEP, commit() % STEP),
    };
    let mut faults = Vec::new();
    for assignor in ASSIGNORS {
        let whole = session(assignor, None).passed;
        for way in Way::ALL {
            for damage in Damage::ALL {
                // The first of them is damaged before anything went this way.
                let behind = (first..whole[way as usize]).step_by(step as usize);
                faults.extend(behind.map(|behind| (assignor, Fault { way, damage, behind: behind + 1 })));
            }
        }
    }
    let (next, damaged) = (AtomicU64::new(0), AtomicU64::new(0));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let walk = || {
            let mut wrong = Vec::new();
            while let Some((assignor, fault)) = faults.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                let session = session(*assignor, Some(*fault));
                damaged.fetch_add(u64::from(session.is_damaged), Ordering::Relaxed);
                if !session.wrong.is_empty() {
                    wrong.push(format!("{assignor:?} {fault:?}:\n{}", session.wrong.join("\n")));
                }
            }
            wrong
        };
        let walks: Vec<_> = (0..cores).map(|_| scope.spawn(walk)).collect();
        walks.into_iter().flat_map(|walk| walk.join().expect("no session panics")).collect()
    });
    let sessions = faults.len() as u64;
    println!("{sessions} sessions, each damaged behind one byte; {} went wrong", wrong.len());
    assert!(wrong.is_empty(), "{} of {sessions}:\n{}", wrong.len(), wrong[..wrong.len().min(3)].join("\n"));
    // Which connection writes first is the same every time, so every damage comes.
    assert_eq!(damaged.into_inner(), sessions, "a damage did not come");
}

/// Of so many bytes, one is tried.
const STEP: u64 = 97;

/// A number for the commit that is tested.
fn commit() -> u64 {
    let mut hasher = DefaultHasher::new();
    env::var("MILENA_COMMIT").or_else(|_| env::var("GITHUB_SHA")).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}
