//! Every state of a small world, in the order of their distance from the beginning.
//!
//! The machines cannot be copied (an assignment epoch is an identity), so a state is kept as the actions that lead to it, and made
//! again from them. Breadth first: the first trace to a violation is a shortest one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::action::Action;
use crate::bound::Bound;
use crate::world::World;

/// What a walk came to.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) states: usize,
    pub(crate) transitions: u64,
    /// The longest of the shortest ways to a state.
    pub(crate) depth: usize,
    /// Ways on that were not followed, as there were states enough.
    pub(crate) is_cut: bool,
    /// States from which it was tried whether all comes to a good end.
    pub(crate) healed: u64,
    /// The first violation, with the way to it.
    pub(crate) violation: Option<Violation>,
}

#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) what: String,
    pub(crate) path: Vec<Action>,
    /// It shows only once all goes well from there.
    pub(crate) is_after_healing: bool,
}

struct Node {
    parent: u32,
    action: Action,
}

/// What one step from a state led to.
struct Found {
    fingerprint: u64,
    parent: u32,
    action: Action,
    violation: Option<(String, bool)>,
}

/// The hashes of states: in no order, and never gone through.
#[allow(clippy::disallowed_types, reason = "only asked whether something is in it")]
type Seen = std::collections::HashSet<u64, std::hash::BuildHasherDefault<Passed>>;

/// Passes on what is a hash already.
#[derive(Default)]
pub(crate) struct Passed(u64);

impl std::hash::Hasher for Passed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// Walks through all states, or the nearest `states_max` of them. From every `heal_every`th all must come to a good end.
pub(crate) fn walk(bound: Bound, states_max: usize, heal_every: u64) -> Walked {
    let start = World::new(bound).fingerprint(&mut String::new());
    let mut nodes: Vec<Node> = vec![Node { parent: 0, action: Action::StopWaiting }];
    let mut seen = Seen::default();
    seen.insert(start);
    let mut level = 0..1;
    let mut walked =
        Walked { states: 1, transitions: 0, depth: 0, is_cut: false, healed: 0, violation: None };
    while !level.is_empty() && walked.violation.is_none() {
        if nodes.len() >= states_max {
            walked.is_cut = true;
            break;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from).min(level.len());
        let share = level.len().div_ceil(cores);
        let parts: Vec<Part> = std::thread::scope(|scope| {
            let (nodes, seen) = (&nodes, &seen);
            let part = |core: usize| {
                let from = level.start + core * share;
                let part = from..level.end.min(from + share);
                scope.spawn(move || expand(bound, nodes, seen, part, heal_every))
            };
            let tasks: Vec<_> = (0..cores).map(part).collect();
            tasks.into_iter().filter_map(|task| task.join().ok()).collect()
        });
        assert_eq!(parts.len(), cores, "a walker fell");
        for part in parts {
            walked.transitions += part.transitions;
            walked.healed += part.healed;
            for found in part.found {
                let path = || path(&nodes, found.parent).into_iter().chain([found.action]).collect();
                if let Some((what, is_after_healing)) = found.violation
                    && walked.violation.is_none()
                {
                    walked.violation = Some(Violation { what, path: path(), is_after_healing });
                }
                if seen.insert(found.fingerprint) {
                    nodes.push(Node { parent: found.parent, action: found.action });
                }
            }
        }
        level = level.end..nodes.len();
        walked.depth += usize::from(!level.is_empty());
        walked.states = nodes.len();
    }
    walked
}

struct Part {
    found: Vec<Found>,
    transitions: u64,
    healed: u64,
}

fn expand(bound: Bound, nodes: &[Node], seen: &Seen, level: std::ops::Range<usize>, heal_every: u64) -> Part {
    let mut part = Part { found: Vec::new(), transitions: 0, healed: 0 };
    let mut dump = String::new();
    let mut own = Seen::default();
    for index in level {
        let parent = u32::try_from(index).expect("fewer states than that");
        let path = path(nodes, parent);
        let mut world = Some(replay(bound, &path));
        let actions = world.as_ref().map(World::enabled).unwrap_or_default();
        for action in actions {
            let mut next = world.take().unwrap_or_else(|| replay(bound, &path));
            part.transitions += 1;
            // What a machine asserts of itself is demanded as well.
            let stepped = catch_unwind(AssertUnwindSafe(|| {
                next.step(action);
                (next.fingerprint(&mut dump), next.violation().map(str::to_owned))
            }));
            let (fingerprint, mut violation) = match stepped {
                Ok((fingerprint, violation)) => (fingerprint, violation.map(|what| (what, false))),
                Err(_) => (u64::MAX, Some(("a machine panics".to_owned(), false))),
            };
            if seen.contains(&fingerprint) || !own.insert(fingerprint) {
                continue;
            }
            if violation.is_none() && fingerprint.is_multiple_of(heal_every) {
                part.healed += 1;
                let healed = catch_unwind(AssertUnwindSafe(|| next.heal()));
                let healed = healed.unwrap_or_else(|_| Err("a machine panics".to_owned()));
                violation = healed.err().map(|what| (what, true));
            }
            let fell = violation.is_some();
            part.found.push(Found { fingerprint, parent, action, violation });
            if fell {
                return part;
            }
        }
    }
    part
}

fn replay(bound: Bound, path: &[Action]) -> World {
    let mut world = World::new(bound);
    for action in path {
        world.step(*action);
    }
    world
}

fn path(nodes: &[Node], mut at: u32) -> Vec<Action> {
    let mut path = Vec::new();
    while at != 0 {
        let node = &nodes[at as usize];
        path.push(node.action);
        at = node.parent;
    }
    path.reverse();
    path
}

/// The way to a violation, for who reads it.
pub(crate) fn tell(bound: Bound, violation: &Violation) -> String {
    let mut text = format!("{}: {}\n", bound.name, violation.what);
    text.push_str("At first A is alone and has p0 and p1.\n");
    let mut world = World::with_log(bound);
    for (step, action) in violation.path.iter().enumerate() {
        let stepped = catch_unwind(AssertUnwindSafe(|| world.step(*action)));
        let mut lines = world.take_log().into_iter();
        text.push_str(&format!("{:>3} {}\n", step + 1, lines.next().unwrap_or_default()));
        lines.for_each(|line| text.push_str(&format!("    {line}\n")));
        if stepped.is_err() {
            text.push_str("      a machine panics\n");
        }
    }
    if violation.is_after_healing {
        text.push_str("    From here on all goes well, and then that is wrong:\n");
        let _ = catch_unwind(AssertUnwindSafe(|| world.heal()));
        let lines = world.take_log();
        let last = lines.len().saturating_sub(40);
        lines[last..].iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    }
    text
}
