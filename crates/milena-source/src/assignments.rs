//! What is assigned, as it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::task::{Context, Poll};

use client::TopicPartition;
use client::consumer::{Control, Events};
use futures_core::Stream;
use futures_util::stream::{self, BoxStream};

/// A change of what is assigned to this source.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct AssignmentChange {
    /// What was not assigned before, or was given up and came back: reading it begins anew.
    pub added: BTreeSet<TopicPartition>,
    /// What was given up or lost. A partition that came back meanwhile is in both.
    pub removed: BTreeSet<TopicPartition>,
    /// All that is assigned now.
    pub assignment: BTreeSet<TopicPartition>,
}

/// Changes of what is assigned: first what is assigned already, then whatever becomes of it.
///
/// No change is missed, however slowly the stream is polled: changes since the last time come as one. A partition is assigned
/// until its last commit is answered, or it is lost. Ends when the source does.
pub struct AssignmentStream(BoxStream<'static, AssignmentChange>);

struct State {
    control: Control,
    /// Wake this up, and tell nothing: they may be missed.
    events: Events,
    last: Option<BTreeMap<TopicPartition, u64>>,
}

impl AssignmentStream {
    pub(crate) fn new(control: &Control) -> Self {
        let state = State { control: control.clone(), events: control.events(), last: None };
        Self(Box::pin(stream::unfold(state, |mut state| async move {
            loop {
                let closed = state.control.is_closed();
                if let Some(change) = state.look() {
                    return Some((change, state));
                }
                if closed || state.events.next().await.is_none() {
                    return None;
                }
            }
        })))
    }
}

impl State {
    fn look(&mut self) -> Option<AssignmentChange> {
        let now = self.control.assignment();
        let change = difference(self.last.as_ref(), &now);
        self.last = Some(now);
        change
    }
}

fn difference(
    before: Option<&BTreeMap<TopicPartition, u64>>,
    now: &BTreeMap<TopicPartition, u64>,
) -> Option<AssignmentChange> {
    let is_first = before.is_none();
    let nothing = BTreeMap::new();
    let before = before.unwrap_or(&nothing);
    let not_in = |one: &BTreeMap<TopicPartition, u64>, other: &BTreeMap<TopicPartition, u64>| {
        let differs = one.iter().filter(|(partition, number)| other.get(partition) != Some(number));
        differs.map(|(partition, _)| partition.clone()).collect::<BTreeSet<_>>()
    };
    let (added, removed) = (not_in(now, before), not_in(before, now));
    let assignment = now.keys().cloned().collect();
    (is_first || !added.is_empty() || !removed.is_empty()).then_some(AssignmentChange {
        added,
        removed,
        assignment,
    })
}

impl Stream for AssignmentStream {
    type Item = AssignmentChange;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(partitions: &[(i32, u64)]) -> BTreeMap<TopicPartition, u64> {
        partitions.iter().map(|(partition, number)| (TopicPartition::new("t", *partition), *number)).collect()
    }

    #[test]
    fn a_partition_that_went_away_and_came_back_is_a_change() {
        let before = numbered(&[(0, 1), (1, 2)]);
        assert_eq!(difference(Some(&before), &before), None);
        let change = difference(Some(&before), &numbered(&[(1, 3), (2, 4)])).unwrap();
        let numbers = |set: &BTreeSet<TopicPartition>| set.iter().map(|tp| tp.partition).collect::<Vec<_>>();
        assert_eq!(numbers(&change.added), [1, 2]);
        assert_eq!(numbers(&change.removed), [0, 1]);
        assert_eq!(numbers(&change.assignment), [1, 2]);
        let first = difference(None, &BTreeMap::new());
        assert_eq!(first, Some(AssignmentChange::default()), "that nothing is assigned is said, once");
    }
}
