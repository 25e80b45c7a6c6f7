//! Where a bounded read ends.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use client::TopicPartition;
use client::consumer::Control;
use tokio::time::Sleep;

/// Where a read ends.
///
/// In a group it ends when all partitions of this member have come to their ends. A member that is given none ends, too, once a
/// heartbeat interval has brought no rebalance that gives it some.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Until {
    /// Never: it waits for more.
    #[default]
    Never,
    /// At the ends that the partitions had when the source was built: under read_committed their last stable offsets.
    /// Ends as well where only control records, or nothing at all, stand before them.
    Latest,
    /// Before this offset, in every partition.
    Offset(i64),
    /// After so many records, over all partitions. Only the record stream counts.
    Count(u64),
}

/// Whether a read has come to its end.
pub(crate) struct Bound {
    pub(crate) ends: Ends,
    /// How long a member that is given nothing waits for something: a cooperative rebalance gives a new member its partitions
    /// only once the others have given them up, and tells it to join again with a heartbeat.
    patience: Duration,
    /// Runs while nothing is assigned.
    idle: Option<Pin<Box<Sleep>>>,
}

impl Bound {
    pub(crate) fn new(ends: Ends, patience: Duration) -> Self {
        Self { ends, patience, idle: None }
    }

    /// The same bound for another stream.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.ends.clone(), self.patience)
    }

    /// Ready when every assigned partition has come to its end.
    pub(crate) fn poll_complete(&mut self, cx: &mut Context<'_>, control: &Control) -> Poll<()> {
        if !self.ends.is_bounded() {
            return Poll::Pending;
        }
        let done = control.count_if_all(|partition, position| self.ends.is_reached(partition, position));
        self.poll_judge(cx, done)
    }

    /// Ready when this one partition has come to its end.
    pub(crate) fn poll_reached(&self, partition: &TopicPartition, position: Option<i64>) -> Poll<()> {
        match self.ends.is_bounded() && self.ends.is_reached(partition, position) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    /// `done` counts the partitions, all of which have come to their ends; it is none where one has not, or where it is open
    /// what is assigned.
    fn poll_judge(&mut self, cx: &mut Context<'_>, done: Option<usize>) -> Poll<()> {
        match done {
            Some(1..) => Poll::Ready(()),
            Some(0) => {
                let patience = self.patience;
                let idle = self.idle.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                idle.as_mut().poll(cx)
            }
            None => {
                self.idle = None;
                Poll::Pending
            }
        }
    }
}

/// The end of each partition, as far as the read has one.
#[derive(Clone, Debug, Default)]
pub(crate) enum Ends {
    #[default]
    None,
    Same(i64),
    Each(BTreeMap<TopicPartition, i64>),
}

impl Ends {
    /// Where to stop in a partition. One that the read did not know when it began (new since then) is not part of it.
    pub(crate) fn of(&self, partition: &TopicPartition) -> i64 {
        match self {
            Self::None => i64::MAX,
            Self::Same(offset) => *offset,
            Self::Each(ends) => ends.get(partition).copied().unwrap_or(0),
        }
    }

    fn is_reached(&self, partition: &TopicPartition, position: Option<i64>) -> bool {
        position.is_some_and(|at| at >= self.of(partition))
    }

    pub(crate) fn is_bounded(&self) -> bool {
        !matches!(self, Self::None)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::FutureExt;

    use super::*;

    fn tp(number: i32) -> TopicPartition {
        TopicPartition::new("t", number)
    }

    #[test]
    fn an_endless_read_has_no_end() {
        assert!(!Ends::None.is_bounded());
        assert_eq!(Ends::None.of(&tp(0)), i64::MAX);
        assert!(!Ends::None.is_reached(&tp(0), Some(i64::MAX - 1)));
    }

    #[test]
    fn an_end_is_reached_at_it_and_not_before_and_not_without_a_position() {
        let ends = Ends::Same(5);
        assert!(ends.is_bounded());
        let reached = [None, Some(4), Some(5), Some(6)].map(|position| ends.is_reached(&tp(3), position));
        assert_eq!(reached, [false, false, true, true]);
    }

    #[test]
    fn each_partition_has_an_end_of_its_own_and_a_new_one_is_at_its_end_at_once() {
        let ends = Ends::Each(BTreeMap::from([(tp(0), 3), (tp(1), 0)]));
        assert_eq!([0, 1, 2].map(|number| ends.of(&tp(number))), [3, 0, 0]);
        assert!(!ends.is_reached(&tp(0), Some(2)));
        assert!(ends.is_reached(&tp(1), Some(0)), "an empty log");
        assert!(!ends.is_reached(&tp(2), None), "where it begins must be known first");
        assert!(ends.is_reached(&tp(2), Some(7)));
    }

    async fn judge(bound: &mut Bound, done: Option<usize>) {
        poll_fn(|cx| bound.poll_judge(cx, done)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_with_all_partitions_at_their_ends_is_done_at_once() {
        let mut bound = Bound::new(Ends::Same(1), Duration::from_secs(3));
        assert!(judge(&mut bound, None).now_or_never().is_none());
        assert!(judge(&mut bound, Some(2)).now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_member_without_partitions_is_done_when_nothing_has_come_for_a_while() {
        let mut bound = Bound::new(Ends::Same(1), Duration::from_secs(3));
        let start = tokio::time::Instant::now();
        judge(&mut bound, Some(0)).await;
        assert_eq!(start.elapsed().as_secs(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rebalance_makes_a_member_without_partitions_wait_anew() {
        let mut bound = Bound::new(Ends::Same(1), Duration::from_secs(3));
        assert!(judge(&mut bound, Some(0)).now_or_never().is_none());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(judge(&mut bound, None).now_or_never().is_none());
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(judge(&mut bound, None).now_or_never().is_none(), "a rebalance may take its time");
        let start = tokio::time::Instant::now();
        judge(&mut bound, Some(0)).await;
        assert_eq!(start.elapsed().as_secs(), 3);
    }
}
