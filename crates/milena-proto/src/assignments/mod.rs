//! Which partitions are ours, and in which epoch: the one owner that the commit gate asks.

mod stamp;
#[cfg(test)]
mod tests;

pub use stamp::{FenceReason, Stamp};

use std::collections::BTreeMap;

use crate::types::{AssignmentEpoch, Generation, TopicId, TopicName, TopicPartition};

/// The partitions that are ours.
///
/// An epoch begins with each assign, seek and re-creation of the topic, and ends with the next of these, with revoke,
/// lost or close. Epochs come from one counter that only rises, so a number is never used twice, also not for a
/// partition that went away and came back. What was read in an epoch carries its [`Stamp`].
///
/// One task owns this and the [`Committer`](crate::offsets::Committer) together: there is no window between a revocation
/// and the gate.
#[derive(Debug, Default)]
pub struct Assignments {
    last_epoch: u64,
    partitions: BTreeMap<TopicPartition, Assignment>,
}

/// What is known of one partition that is ours.
#[derive(Debug)]
pub struct Assignment {
    stamp: Stamp,
    topic_id: TopicId,
    seen_topic_id: TopicId,
    /// The coordinator did not know the wire epoch.
    forgot_wire_epoch: bool,
    accepted: Option<i64>,
    doubtful: Option<i64>,
    paused: bool,
}

impl Assignments {
    /// Nothing is ours.
    pub fn new() -> Self {
        Self::default()
    }

    /// The partition is ours from here on: a new epoch, which needs a new buffer, a new tracker and a position from the
    /// committed offset.
    ///
    /// `topic_id` is [`TopicId::ZERO`] where the broker knows no ids. `wire_epoch` is the member epoch of the answer that
    /// first listed the partition (KIP-1251), in a classic group the generation.
    ///
    /// Should it be ours already, the older epoch ends as lost: nobody promised it a drain.
    pub fn assign(&mut self, partition: TopicPartition, topic_id: TopicId, wire_epoch: Generation) -> Stamp {
        self.lose(&partition);
        let stamp = self.next_stamp(&partition, wire_epoch);
        let assignment = Assignment {
            stamp: stamp.clone(),
            topic_id,
            seen_topic_id: topic_id,
            forgot_wire_epoch: false,
            accepted: None,
            doubtful: None,
            paused: false,
        };
        self.partitions.insert(partition, assignment);
        stamp
    }

    /// The group wants the partition back: nothing more of it is delivered, acks and commits go on until
    /// [`revoke`](Self::revoke). False if it is not ours.
    pub fn begin_revoke(&mut self, partition: &TopicPartition) -> bool {
        let Some(assignment) = self.partitions.get(partition) else { return false };
        assignment.stamp.drain();
        true
    }

    /// The partition has been given up in order: its epoch ends. Returns the stamp that ended.
    pub fn revoke(&mut self, partition: &TopicPartition) -> Option<Stamp> {
        self.end(partition, FenceReason::Revoked)
    }

    /// The partition is no longer ours, and nothing of it may be committed: its epoch ends. Returns the stamp that ended.
    pub fn lose(&mut self, partition: &TopicPartition) -> Option<Stamp> {
        self.end(partition, FenceReason::Lost)
    }

    /// The topic of this name is another one, and its partitions are not ours just for that: the epoch ends, and nothing
    /// follows it. Returns the stamp that ended.
    pub fn topic_gone(&mut self, partition: &TopicPartition) -> Option<Stamp> {
        self.end(partition, FenceReason::TopicRecreated)
    }

    /// Everything that is ours ends: all lost when the member was fenced, or closed. Returns the stamps that ended.
    pub fn end_all(&mut self, reason: FenceReason) -> Vec<Stamp> {
        let ended = std::mem::take(&mut self.partitions);
        ended.into_values().map(|assignment| assignment.into_ended(reason)).collect()
    }

    /// The position moved by something else than delivery: a new epoch of the same ownership. Its wire epoch stays, since
    /// the broker saw nothing; offsets below the last accepted one may be committed in it, since that is what a rewind
    /// is for; a drain that has begun goes on. `None` if the partition is not ours.
    pub fn seek(&mut self, partition: &TopicPartition) -> Option<Stamp> {
        self.renew(partition, FenceReason::Seek)
    }

    /// The topic of this name is another topic now: a new epoch, with the new id. `None` if the partition is not ours.
    pub fn topic_recreated(&mut self, partition: &TopicPartition, topic_id: TopicId) -> Option<Stamp> {
        let stamp = self.renew(partition, FenceReason::TopicRecreated)?;
        if let Some(assignment) = self.partitions.get_mut(partition) {
            assignment.topic_id = topic_id;
            assignment.seen_topic_id = topic_id;
        }
        Some(stamp)
    }

    /// Metadata says which topic has this name. Commits of partitions that were assigned of another topic are fenced from
    /// here on, in every version of the API (before OffsetCommit 10 the broker takes the name for the topic, and would
    /// accept the old topic's offset for the new one). Returns these partitions: each wants
    /// [`topic_recreated`](Self::topic_recreated), or to be lost.
    ///
    /// A partition that was assigned before its topic's id was known takes the first one it hears of.
    pub fn handle_topic_id(&mut self, topic: &TopicName, topic_id: TopicId) -> Vec<TopicPartition> {
        // An answer of a version without ids says nothing.
        if topic_id.is_zero() {
            return Vec::new();
        }
        let first = TopicPartition::new(topic.clone(), i32::MIN);
        let last = TopicPartition::new(topic.clone(), i32::MAX);
        let mut other = Vec::new();
        for (partition, assignment) in self.partitions.range_mut(first..=last) {
            if assignment.topic_id.is_zero() {
                assignment.topic_id = topic_id;
            }
            assignment.seen_topic_id = topic_id;
            if !assignment.is_same_topic() {
                other.push(partition.clone());
            }
        }
        other
    }

    /// Stops or resumes the fetching of a partition. No new epoch: what was read stays read. False if it is not ours.
    pub fn set_paused(&mut self, partition: &TopicPartition, paused: bool) -> bool {
        let Some(assignment) = self.partitions.get_mut(partition) else { return false };
        assignment.paused = paused;
        true
    }

    /// What is known of a partition, if it is ours.
    pub fn get(&self, partition: &TopicPartition) -> Option<&Assignment> {
        self.partitions.get(partition)
    }

    /// The current stamp of a partition, if it is ours: for what is fetched from here on.
    pub fn stamp(&self, partition: &TopicPartition) -> Option<Stamp> {
        self.partitions.get(partition).map(|assignment| assignment.stamp.clone())
    }

    /// All that is ours, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&TopicPartition, &Assignment)> {
        self.partitions.iter()
    }

    /// How many partitions are ours.
    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Whether nothing is ours.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The coordinator accepted this offset. False, and nothing changes, if the stamp's epoch has ended meanwhile.
    pub(crate) fn accept(&mut self, stamp: &Stamp, offset: i64) -> bool {
        let Some(assignment) = self.partitions.get_mut(stamp.partition()) else { return false };
        if !assignment.stamp.is_same(stamp) {
            return false;
        }
        assignment.accepted = assignment.accepted.max(Some(offset));
        true
    }

    /// The offset was sent, and nobody knows whether the coordinator stored it.
    pub(crate) fn doubt(&mut self, stamp: &Stamp, offset: i64) {
        if let Some(assignment) = self.partitions.get_mut(stamp.partition())
            && assignment.stamp.is_same(stamp)
        {
            assignment.doubtful = assignment.doubtful.max(Some(offset));
        }
    }

    /// The coordinator refused the wire epoch of an assignment that still holds, so commits of it carry the member's own
    /// epoch from here on. Nobody else can own the partition: it is given away only once we acknowledged the revocation
    /// or were removed from the group, and then that epoch is refused as well.
    pub(crate) fn forget_wire_epoch(&mut self, stamp: &Stamp) {
        if let Some(assignment) = self.partitions.get_mut(stamp.partition())
            && assignment.stamp.is_same(stamp)
        {
            assignment.forgot_wire_epoch = true;
        }
    }

    fn renew(&mut self, partition: &TopicPartition, reason: FenceReason) -> Option<Stamp> {
        let wire_epoch = self.partitions.get(partition)?.stamp.wire_epoch();
        let stamp = self.next_stamp(partition, wire_epoch);
        let assignment = self.partitions.get_mut(partition)?;
        if assignment.stamp.is_draining() {
            stamp.drain();
        }
        assignment.stamp.end(reason);
        assignment.stamp = stamp.clone();
        assignment.accepted = None;
        assignment.doubtful = None;
        Some(stamp)
    }

    fn end(&mut self, partition: &TopicPartition, reason: FenceReason) -> Option<Stamp> {
        Some(self.partitions.remove(partition)?.into_ended(reason))
    }

    fn next_stamp(&mut self, partition: &TopicPartition, wire_epoch: Generation) -> Stamp {
        // u64: at one epoch a nanosecond this lasts for centuries.
        self.last_epoch += 1;
        Stamp::new(partition.clone(), AssignmentEpoch(self.last_epoch), wire_epoch)
    }
}

impl Drop for Assignments {
    /// Who still holds a stamp learns that its owner is gone.
    fn drop(&mut self) {
        self.end_all(FenceReason::Closed);
    }
}

impl Assignment {
    /// The stamp of the current epoch.
    pub fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// The current epoch.
    pub fn epoch(&self) -> AssignmentEpoch {
        self.stamp.epoch()
    }

    /// The topic that was assigned; [`TopicId::ZERO`] where no id is known.
    pub fn topic_id(&self) -> TopicId {
        self.topic_id
    }

    /// Whether metadata, as far as it told us, still has the assigned topic under this name.
    pub fn is_same_topic(&self) -> bool {
        self.topic_id.is_zero() || self.topic_id == self.seen_topic_id
    }

    /// The member epoch of the answer that first listed the partition (KIP-1251); classic: the generation. `None` once
    /// the coordinator did not know it.
    pub fn wire_epoch(&self) -> Option<Generation> {
        (!self.forgot_wire_epoch).then(|| self.stamp.wire_epoch())
    }

    /// The highest offset that the coordinator accepted in this epoch.
    pub fn accepted(&self) -> Option<i64> {
        self.accepted
    }

    /// The highest offset that the coordinator may have accepted in this epoch, though its answer got lost.
    pub fn doubtful(&self) -> Option<i64> {
        self.doubtful
    }

    /// Whether the partition is being given up.
    pub fn is_draining(&self) -> bool {
        self.stamp.is_draining()
    }

    /// Whether fetching is paused.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    fn into_ended(self, reason: FenceReason) -> Stamp {
        self.stamp.end(reason);
        self.stamp
    }
}
