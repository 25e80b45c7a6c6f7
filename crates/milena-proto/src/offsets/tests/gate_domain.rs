//! The gate over its whole small domain: every story of five steps about one partition, every stamp that it made, every
//! offset near the edges. What the gate says is what the sentence in ARCHITECTURE.md says.

use super::script::partition;
use crate::assignments::{Assignments, Stamp};
use crate::offsets::gate::judge;
use crate::types::{Generation, TopicId};

#[derive(Clone, Copy, Debug)]
enum Step {
    Assign,
    Revoke,
    Lose,
    Seek,
    Recreated,
    HearOf(u8),
    Accept(i64),
    Doubt(i64),
}

const STEPS: [Step; 12] = [
    Step::Assign,
    Step::Revoke,
    Step::Lose,
    Step::Seek,
    Step::Recreated,
    Step::HearOf(1),
    Step::HearOf(2),
    Step::Accept(0),
    Step::Accept(2),
    Step::Doubt(0),
    Step::Doubt(1),
    Step::Doubt(2),
];
const LENGTH: u32 = 5;
const OFFSETS: [i64; 7] = [i64::MIN, -1, 0, 1, 2, 3, i64::MAX];

/// What is known of the one epoch that holds, by hand.
#[derive(Clone, Default)]
struct Epoch {
    /// Which of the stamps.
    stamp: usize,
    topic: u8,
    seen: u8,
    accepted: Option<i64>,
    doubtful: Option<i64>,
}

#[test]
fn every_story_of_five_steps_is_judged_as_the_sentence_says() {
    let mut judged = 0_u64;
    for story in 0..STEPS.len().pow(LENGTH) {
        let steps = (0..LENGTH).map(|place| STEPS[story / STEPS.len().pow(place) % STEPS.len()]);
        tell(&steps.collect::<Vec<_>>(), &mut judged);
    }
    assert!(judged > 10_000_000, "{judged}");
}

fn tell(steps: &[Step], judged: &mut u64) {
    let (tp, id) = (partition(0), |id: u8| TopicId([id; 16]));
    let mut assignments = Assignments::new();
    let mut stamps: Vec<Stamp> = vec![assignments.assign(tp.clone(), id(1), Generation(1))];
    let mut current = Some(Epoch { topic: 1, seen: 1, ..Epoch::default() });
    for step in steps {
        let renewed = match step {
            Step::Assign => Some(assignments.assign(tp.clone(), id(1), Generation(1))),
            Step::Revoke => assignments.revoke(&tp).and(None),
            Step::Lose => assignments.lose(&tp).and(None),
            Step::Seek => assignments.seek(&tp),
            Step::Recreated => assignments.topic_recreated(&tp, id(2)),
            Step::HearOf(topic) => {
                assignments.handle_topic_id(&tp.topic, id(*topic));
                None
            }
            Step::Accept(offset) => {
                assignments.accept(stamps.last().expect("the first"), *offset);
                None
            }
            Step::Doubt(offset) => {
                assignments.doubt(stamps.last().expect("the first"), *offset);
                None
            }
        };
        let last = stamps.len() - 1;
        match (step, &mut current) {
            (Step::Assign, _) => {
                current = Some(Epoch { stamp: last + 1, topic: 1, seen: 1, ..Epoch::default() })
            }
            (Step::Revoke | Step::Lose, _) => current = None,
            (Step::Seek, Some(epoch)) => {
                *epoch = Epoch { stamp: last + 1, topic: epoch.topic, seen: epoch.seen, ..Epoch::default() };
            }
            (Step::Recreated, Some(epoch)) => {
                *epoch = Epoch { stamp: last + 1, topic: 2, seen: 2, ..Epoch::default() };
            }
            (Step::HearOf(topic), Some(epoch)) => epoch.seen = *topic,
            (Step::Accept(offset), Some(epoch)) if epoch.stamp == last => {
                epoch.accepted = epoch.accepted.max(Some(*offset));
            }
            (Step::Doubt(offset), Some(epoch)) if epoch.stamp == last => {
                epoch.doubtful = epoch.doubtful.max(Some(*offset));
            }
            _ => {}
        }
        stamps.extend(renewed);
        for (number, stamp) in stamps.iter().enumerate() {
            for offset in OFFSETS {
                let may = current.as_ref().is_some_and(|epoch| {
                    offset >= 0
                        && epoch.stamp == number
                        && epoch.topic == epoch.seen
                        && epoch.accepted.is_none_or(|accepted| offset > accepted)
                        && epoch.doubtful.is_none_or(|doubtful| offset >= doubtful)
                });
                let judgement = judge(&assignments, stamp, offset);
                assert_eq!(
                    judgement.is_ok(),
                    may,
                    "{steps:?}: stamp {number}, offset {offset}: {judgement:?}"
                );
                *judged += 1;
            }
        }
    }
}
