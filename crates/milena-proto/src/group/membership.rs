//! The one machine that the shell sees, whichever protocol the group speaks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::classic::Classic;
use super::consumer::Consumer;
use super::{
    GroupCall, GroupEvent, GroupProtocol, GroupResponse, GroupSettings, MembershipOperation, PartitionRacks,
};
use crate::types::{CallFailed, Generation, MemberSnapshot, RequestId, TopicId, TopicName, TopicPartition};
use crate::wire::{Coordinator, ErrorCode};

/// A member of a consumer group.
///
/// ```text
/// subscribe ─▶ find coordinator ─▶ JoinGroup ─▶ SyncGroup ─▶ Assigned … heartbeats
///                                     ▲                          │ rebalance, new subscription
///                                     └── handle_revoked ◀── Revoke (drain, last commit)
/// ```
///
/// In the consumer protocol one heartbeat is all of that: it joins, brings what the coordinator assigns, and acknowledges
/// what was given up.
///
/// The rules that hold at every step:
/// - a revoke completes before the coordinator hears of it;
/// - after [`GroupEvent::Lost`] nothing of that partition is this member's;
/// - every answer is judged by the generation that its request carried;
/// - an unreachable coordinator costs no partition: the identity is kept and the next coordinator is asked. But past
///   [`session_deadline`](Self::session_deadline) nothing may be handed out.
///
/// The shell: make the calls of [`poll_request`](Self::poll_request), forward the events of
/// [`poll_event`](Self::poll_event), and call [`handle_timeout`](Self::handle_timeout) at
/// [`poll_timeout`](Self::poll_timeout); all three again after every other call.
#[derive(Debug)]
pub struct Membership {
    protocol: Protocol,
}

/// The protocol that the member speaks: both are one to the shell.
#[derive(Debug)]
enum Protocol {
    Classic(Box<Classic>),
    Consumer(Box<Consumer>),
}

impl Membership {
    /// A member that has not joined: it does so when it is told what it subscribes to. The same seed gives the same
    /// pauses.
    pub fn new(settings: GroupSettings, seed: u64) -> Self {
        let protocol = match settings.protocol {
            GroupProtocol::Classic => Protocol::Classic(Box::new(Classic::new(settings, seed))),
            GroupProtocol::Consumer | GroupProtocol::ConsumerElseClassic => {
                Protocol::Consumer(Box::new(Consumer::new(settings, seed)))
            }
        };
        Self { protocol }
    }

    /// Whether commits and fetches of offsets are signed with a member epoch (KIP-848), and not with a generation.
    pub fn has_member_epoch(&self) -> bool {
        matches!(self.protocol, Protocol::Consumer(_))
    }

    /// Subscribes to these topics instead of those before. A change joins again; an empty set leaves the group, and the
    /// member can subscribe again later.
    pub fn handle_subscription(&mut self, now: Instant, topics: BTreeSet<TopicName>) {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.handle_subscription(now, topics),
            Protocol::Consumer(consumer) => consumer.handle_subscription(now, topics),
        }
    }

    /// Subscribes to the topics whose names match, as well, in place of the pattern before; the coordinator finds them
    /// (RE2 syntax, KIP-848). The classic protocol has no such thing, and does nothing here.
    pub fn handle_pattern(&mut self, now: Instant, pattern: Option<String>) {
        if let Protocol::Consumer(consumer) = &mut self.protocol {
            consumer.handle_pattern(now, pattern);
        }
    }

    /// The names of topics, from metadata: answers [`GroupEvent::NeedTopicNames`] as far as they are known, and is called
    /// again whenever more are.
    pub fn handle_topic_names(&mut self, now: Instant, names: &BTreeMap<TopicId, TopicName>) {
        if let Protocol::Consumer(consumer) = &mut self.protocol {
            consumer.handle_topic_names(now, names);
        }
    }

    /// How many partitions topics have, from metadata. Answers [`GroupEvent::NeedMetadata`] and is called again at each
    /// change; topics that are not listed stay as they were known. 0 for a topic that the brokers say does not exist: as
    /// leader, this member waits up to 5 s for the counts of all topics before it assigns.
    pub fn handle_partition_counts(&mut self, now: Instant, counts: &BTreeMap<TopicName, i32>) {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.handle_partition_counts(now, counts),
            Protocol::Consumer(consumer) => consumer.handle_partition_counts(counts),
        }
    }

    /// In which racks the replicas of these topics' partitions are, from metadata. As leader, this member assigns by them
    /// (KIP-881). To be told before the counts of the same answer; topics that are not listed stay as they were known.
    pub fn handle_partition_racks(&mut self, racks: &PartitionRacks) {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.handle_partition_racks(racks),
            Protocol::Consumer(consumer) => consumer.handle_partition_racks(racks),
        }
    }

    /// The next call to make, if there is one. Several may be under way at once.
    pub fn poll_request(&mut self, now: Instant) -> Option<GroupCall> {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.poll_request(now),
            Protocol::Consumer(consumer) => consumer.poll_request(now),
        }
    }

    /// Hands in the outcome of a call: exactly one for each. An answer that is no longer waited for is dropped.
    pub fn handle_response(
        &mut self,
        now: Instant,
        id: RequestId,
        answer: Result<GroupResponse, CallFailed>,
    ) {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.handle_response(now, id, answer),
            Protocol::Consumer(consumer) => {
                consumer.handle_response(now, id, answer);
                if let Some(classic) = consumer.take_fall_back(now) {
                    self.protocol = Protocol::Classic(Box::new(classic));
                }
            }
        }
    }

    /// Tells that time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.handle_timeout(now),
            Protocol::Consumer(consumer) => consumer.handle_timeout(now),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) and [`poll_request`](Self::poll_request) are to be called next if
    /// nothing else happens.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.protocol {
            Protocol::Classic(classic) => classic.poll_timeout(),
            Protocol::Consumer(consumer) => consumer.poll_timeout(),
        }
    }

    /// The next piece of news.
    pub fn poll_event(&mut self) -> Option<GroupEvent> {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.poll_event(),
            Protocol::Consumer(consumer) => consumer.poll_event(),
        }
    }

    /// The drain of the last [`GroupEvent::Revoke`] is done and its last commit answered (or its deadline passed): the
    /// coordinator may hear of it. Does nothing if [`GroupEvent::Lost`] came first.
    pub fn handle_revoked(&mut self, now: Instant) {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.handle_revoked(now),
            Protocol::Consumer(consumer) => consumer.handle_revoked(now),
        }
    }

    /// A commit signed with this generation was refused. What it means for the membership is judged by that generation;
    /// a commit of an older one says nothing.
    pub fn handle_commit_refused(&mut self, now: Instant, generation: Generation, error: ErrorCode) {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.handle_commit_refused(now, generation, error),
            Protocol::Consumer(consumer) => consumer.handle_commit_refused(now, generation, error),
        }
    }

    /// The connection to the coordinator broke: look for it again, as the same member.
    pub fn handle_coordinator_lost(&mut self, now: Instant) {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.handle_coordinator_lost(now),
            Protocol::Consumer(consumer) => consumer.handle_coordinator_lost(now),
        }
    }

    /// Ends: revokes what is assigned, tells the coordinator once if the operation says so, and says
    /// [`GroupEvent::Left`], after a few requests at most and also when the coordinator is dead.
    pub fn leave(&mut self, now: Instant, operation: MembershipOperation) {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.leave(now, operation),
            Protocol::Consumer(consumer) => consumer.leave(now, operation),
        }
    }

    /// Rejoins although nothing has changed, for a reason of the program's (KIP-568): what an assignor goes by may be another
    /// now. Does nothing while a rebalance is under way, nor in the consumer protocol, where the coordinator assigns.
    pub fn enforce_rebalance(&mut self, now: Instant, reason: String) {
        if let Protocol::Classic(classic) = &mut self.protocol {
            classic.enforce_rebalance(now, reason);
        }
    }

    /// The application takes nothing and acknowledges nothing any more (`max.poll.interval.ms`): revokes what is assigned and
    /// leaves, as it would on close, until [`handle_unstalled`](Self::handle_unstalled).
    pub fn handle_stalled(&mut self, now: Instant) {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.handle_stalled(now),
            Protocol::Consumer(consumer) => consumer.handle_stalled(now),
        }
    }

    /// The application goes on: joins again. Does nothing for a member that was not stalled.
    pub fn handle_unstalled(&mut self, now: Instant) {
        match &mut self.protocol {
            Protocol::Classic(classic) => classic.handle_unstalled(now),
            Protocol::Consumer(consumer) => consumer.handle_unstalled(now),
        }
    }

    /// What commits are to be signed with at this moment. `None`: no commit may be sent, as there is no membership or a
    /// rebalance is under way in which it would be refused.
    pub fn snapshot(&self) -> Option<MemberSnapshot> {
        match &self.protocol {
            Protocol::Classic(classic) => classic.snapshot(),
            Protocol::Consumer(consumer) => consumer.snapshot(),
        }
    }

    /// The coordinator, where it is known. Commits go there.
    pub fn coordinator(&self) -> Option<&Coordinator> {
        match &self.protocol {
            Protocol::Classic(classic) => classic.coordinator(),
            Protocol::Consumer(consumer) => consumer.coordinator(),
        }
    }

    /// Until when the partitions are surely this member's: one session after the last request *sent* that the
    /// coordinator answered as to a member, but no longer than one rebalance timeout after the last one sent while the
    /// group was at rest. Past it nothing may be handed out until an answer moves it on. This is what stops a process that
    /// was suspended for longer than its session, whose fetch answers waited in the socket.
    ///
    /// A JoinGroup that waits for the others longer than the session makes a cooperative member pause as well: only its
    /// answer tells whether we are still in. `None`: there is nothing to hand out.
    ///
    /// In the consumer protocol the session is the broker's and no answer tells how long it is: it is taken for three
    /// heartbeat intervals.
    pub fn session_deadline(&self) -> Option<Instant> {
        match &self.protocol {
            Protocol::Classic(classic) => classic.session_deadline(),
            Protocol::Consumer(consumer) => consumer.session_deadline(),
        }
    }

    /// All partitions of this member, with those that are being revoked.
    pub fn assignment(&self) -> &BTreeSet<TopicPartition> {
        match &self.protocol {
            Protocol::Classic(classic) => classic.assignment(),
            Protocol::Consumer(consumer) => consumer.assignment(),
        }
    }
}
