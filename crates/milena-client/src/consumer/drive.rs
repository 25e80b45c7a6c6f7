//! The loop around a consumer's machines: one task that owns membership, gate and revocation together.

mod calls;
mod commits;
mod drain;
mod starts;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::stream::{FuturesUnordered, StreamExt};
use proto::assignments::FenceReason;
use proto::group::{
    GroupCall, GroupEvent, GroupResponse, LostReason, Membership, MembershipOperation, PartitionRacks,
};
use proto::offsets::{Committer, WireEpochPolicy};
use proto::types::{CallFailed, Generation, IsolationLevel, RequestId, TopicName, TopicPartition};
use proto::wire::{
    Coordinator, ListOffsetsResponse, OffsetCommitResponse, OffsetFetchResponse, OffsetForLeaderEpochResponse,
};
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::Instrument;

use crate::client::Client;
use crate::clock;
use crate::consumer::epochs::Unnamed;
use crate::consumer::event::EventSender;
use crate::consumer::outage::Subject;
use crate::consumer::rebalances::Steps;
use crate::consumer::spans::Spans;
use crate::consumer::stall::{Change, Watch};
use crate::consumer::subscribed::Subscribed;
use crate::consumer::{Event, OffsetStore, epochs, positions};
use crate::error::{Error, ErrorKind, Result};
use crate::fetch::{Asked, Fetcher, Reset, Start};
use crate::net::as_call_failed;
use crate::offsets::OffsetsOf;

use self::calls::{by_coordinator, group_call};

/// What a handle asks of the task.
pub(super) enum Command {
    /// Move a position: a new assignment epoch.
    Seek { partition: TopicPartition, to: Start, done: oneshot::Sender<Result<()>> },
    /// Commit what may be committed now, and say when all of it is answered.
    Commit { done: oneshot::Sender<Result<()>> },
    /// Commit this, whatever the gate says: a test wants to know what the coordinator says.
    #[cfg(feature = "__open-gate")]
    CommitBehindTheGate { lease: crate::lease::Lease, offset: i64, done: oneshot::Sender<Result<()>> },
    /// Join again although nothing has changed.
    Rebalance { reason: String },
    /// Stop delivery, wait for acknowledgements, commit, and leave or not.
    Close { drain: Duration, operation: Option<MembershipOperation>, done: oneshot::Sender<()> },
}

/// What the task is made of.
pub(super) struct Parts {
    pub(super) client: Client,
    pub(super) fetcher: Fetcher,
    pub(super) group_id: Option<Arc<str>>,
    pub(super) subscribed: Subscribed,
    /// Who keeps the offsets, if not the group's coordinator.
    pub(super) store: Option<Arc<dyn OffsetStore>>,
    pub(super) membership: Option<Membership>,
    pub(super) committer: Option<Committer>,
    /// Where partitions without a committed offset begin.
    pub(super) otherwise: Reset,
    pub(super) drain_timeout: Duration,
    /// What closing means for the group, if nothing else is asked for.
    pub(super) at_close: MembershipOperation,
    /// Whether the reader of a group's member still reads.
    pub(super) watch: Option<Watch>,
    pub(super) steps: Steps,
    pub(super) isolation: IsolationLevel,
    pub(super) events: EventSender,
    pub(super) progress: Arc<Notify>,
    pub(super) commands: mpsc::Receiver<Command>,
}

pub(super) struct Drive {
    parts: Parts,
    calls: FuturesUnordered<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
    /// Partitions that are being given up.
    drain: Option<Drain>,
    closing: Option<Closing>,
    /// Nobody can command any more.
    forsaken: bool,
    commit_waiters: Vec<oneshot::Sender<Result<()>>>,
    /// The last look at the trackers.
    collect_at: Instant,
    /// The count of deliveries at which all of them were acknowledged and committed.
    settled_at: Option<u64>,
    /// Partition counts as the membership knows them.
    counts: BTreeMap<TopicName, i32>,
    racks: PartitionRacks,
    counted: BTreeSet<TopicName>,
    /// Topics that were assigned by id.
    unnamed: Unnamed,
    standalone_coordinator: Option<Coordinator>,
    finding_standalone: bool,
    ended: bool,
    spans: Spans,
}

struct Drain {
    partitions: BTreeSet<TopicPartition>,
    since: Instant,
    deadline: Instant,
    step: DrainStep,
}

enum DrainStep {
    /// Acknowledgements are waited for.
    Acknowledging,
    /// The last acknowledgements are in, or the deadline has passed: only the commit is still waited for.
    Committing { since: Instant, unacknowledged: Option<(TopicPartition, Duration)> },
}

impl Drain {
    fn wake(&self) -> Instant {
        match &self.step {
            DrainStep::Acknowledging => self.deadline,
            DrainStep::Committing { since, .. } => self.deadline.max(*since + LAST_COMMIT),
        }
    }
}

struct Closing {
    deadline: Instant,
    done: Option<oneshot::Sender<()>>,
}

/// What wakes the task.
#[allow(clippy::large_enum_variant)] // Taken apart at once.
enum Input {
    Outcome(Outcome),
    Command(Option<Command>),
    /// Something was acknowledged that is waited for.
    Progress,
    /// The cluster changed.
    View,
    /// Time has passed, or a position wants to know something.
    Wake,
}

/// Who keeps the offsets.
enum Keeper {
    Coordinator(Coordinator),
    Store(Arc<dyn OffsetStore>),
}

enum Outcome {
    Group {
        id: RequestId,
        answer: Result<GroupResponse, CallFailed>,
        error: Option<Error>,
        metadata_version: Option<i16>,
    },
    Commit {
        id: RequestId,
        answer: Result<OffsetCommitResponse, CallFailed>,
    },
    Committed {
        asked: OffsetsOf,
        signed: Option<Generation>,
        answer: Result<OffsetFetchResponse>,
    },
    Listed {
        asked: Vec<Asked>,
        answer: Result<ListOffsetsResponse>,
    },
    EpochEnds {
        asked: Vec<Asked>,
        answer: Result<OffsetForLeaderEpochResponse>,
    },
    Coordinator(Result<Coordinator>),
}

/// How often the trackers are looked at for what may be committed, while nothing urges.
const COLLECT_INTERVAL: Duration = Duration::from_millis(100);
/// Time kept for the answer to the last commit of a drain whose deadline has passed. Before it there is all of the rest: a
/// coordinator that moves is back in seconds.
const LAST_COMMIT: Duration = Duration::from_secs(1);

impl Drive {
    pub(super) fn new(parts: Parts) -> Self {
        let spans = Spans::new(&parts.client, parts.group_id.as_deref());
        Self {
            spans,
            parts,
            calls: FuturesUnordered::new(),
            drain: None,
            closing: None,
            forsaken: false,
            commit_waiters: Vec::new(),
            collect_at: clock::now(),
            settled_at: None,
            counts: BTreeMap::new(),
            racks: PartitionRacks::new(),
            counted: BTreeSet::new(),
            unnamed: Unnamed::default(),
            standalone_coordinator: None,
            finding_standalone: false,
            ended: false,
        }
    }

    pub(super) async fn run(mut self) {
        let mut view_changes = self.parts.client.metadata().changes();
        let progress = self.parts.progress.clone();
        while !self.ended {
            self.spans.current().clone().in_scope(|| self.step(clock::now()));
            if self.ended {
                break;
            }
            let wake = self.wake();
            let input = tokio::select! {
                // Whatever it was, `step` looks at all machines and at the time: nothing starves below a busy arm.
                biased;
                Some(outcome) = self.calls.next(), if !self.calls.is_empty() => Input::Outcome(outcome),
                // At its end the channel would be ready for ever, and this would spin until the group is left.
                command = self.parts.commands.recv(), if !self.forsaken => Input::Command(command),
                () = progress.notified() => Input::Progress,
                () = view_changes.changed() => Input::View,
                () = self.parts.fetcher.positions_wanted() => Input::Wake,
                () = clock::until(wake) => Input::Wake,
            };
            self.spans.current().clone().in_scope(|| self.handle(input));
        }
        self.spans.current().clone().in_scope(|| self.finish());
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Outcome(outcome) => self.handle_outcome(outcome),
            Input::Command(command) => self.handle_command(command),
            Input::Progress => self.handle_progress(),
            Input::View => self.handle_view(),
            Input::Wake => {}
        }
    }

    /// Everything the machines want done now.
    fn step(&mut self, now: Instant) {
        self.collect(now);
        // Before the membership hears of the time: what is drained by now it must not call lost as well.
        self.drain_step(now);
        if let Some(membership) = &mut self.parts.membership {
            membership.handle_timeout(now);
        }
        self.watch_reader(now);
        loop {
            let mut idle = true;
            while let Some(event) = self.parts.membership.as_mut().and_then(Membership::poll_event) {
                idle = false;
                self.handle_group_event(now, event);
            }
            while let Some(event) = self.parts.committer.as_mut().and_then(Committer::poll_event) {
                idle = false;
                self.handle_commit_event(now, event);
            }
            while let Some(call) =
                self.parts.membership.as_mut().and_then(|membership| membership.poll_request(now))
            {
                idle = false;
                self.send_group_call(call);
            }
            if idle {
                break;
            }
        }
        self.guard_session();
        for stamp in self.parts.fetcher.take_ended() {
            if let Some(committer) = &mut self.parts.committer {
                committer.handle_epoch_ended(&stamp);
            }
        }
        self.send_commit(now);
        self.send_questions(now);
        self.answer_commit_waiters();
        self.drain_step(now);
    }

    fn wake(&self) -> Option<Instant> {
        let mut wake = vec![
            self.parts.membership.as_ref().and_then(Membership::poll_timeout),
            // Without a coordinator there is nobody to send it to: what is due would be due again at once, without end.
            self.keeper().and(self.parts.committer.as_ref()).and_then(Committer::poll_timeout),
            self.parts.fetcher.positions_timeout(),
            // Past it only the membership's own time limits count: what is late already is no reason to wake.
            self.closing.as_ref().map(|closing| closing.deadline).filter(|deadline| *deadline > clock::now()),
        ];
        if self.parts.committer.is_some() {
            wake.push(Some(self.collect_at));
        }
        if let Some(drain) = &self.drain {
            wake.push(Some(drain.wake()));
        }
        if self.closing.is_none() {
            wake.push(self.parts.watch.as_ref().map(Watch::look_at));
        }
        wake.into_iter().flatten().min()
    }

    // --- What comes in -------------------------------------------------------------------------------------------

    fn handle_outcome(&mut self, outcome: Outcome) {
        let now = clock::now();
        match outcome {
            Outcome::Group { id, answer, error, metadata_version } => {
                if let (Ok(GroupResponse::ConsumerGroupHeartbeat(_)), Some(committer)) =
                    (&answer, &mut self.parts.committer)
                {
                    committer.set_wire_epoch_policy(epochs::wire_epoch_policy(metadata_version));
                }
                match error {
                    Some(error) => self.parts.events.trouble(Subject::Coordinator, error),
                    None if answer.as_ref().is_ok_and(by_coordinator) => {
                        self.parts.events.works(|| Subject::Coordinator);
                    }
                    None => {}
                }
                if let Some(membership) = &mut self.parts.membership {
                    membership.handle_response(now, id, answer);
                }
            }
            Outcome::Commit { id, answer } => {
                if let Some(committer) = &mut self.parts.committer {
                    self.parts.fetcher.with_assignments(|assignments| {
                        committer.handle_response(
                            now,
                            id,
                            answer.as_ref().map_err(|failed| *failed),
                            assignments,
                        );
                    });
                }
            }
            Outcome::Committed { asked, signed, answer } => self.handle_offsets(now, asked, signed, answer),
            Outcome::Listed { asked, answer } => positions::handle_listed(&self.parts, now, asked, &answer),
            Outcome::EpochEnds { asked, answer } => {
                positions::handle_epoch_ends(&self.parts, now, asked, &answer)
            }
            Outcome::Coordinator(found) => {
                self.finding_standalone = false;
                match found {
                    Ok(coordinator) => {
                        self.parts.events.works(|| Subject::Coordinator);
                        self.standalone_coordinator = Some(coordinator);
                    }
                    Err(error) => self.parts.events.trouble(Subject::Coordinator, error),
                }
            }
        }
    }

    fn handle_command(&mut self, command: Option<Command>) {
        let now = clock::now();
        match command {
            Some(Command::Seek { partition, to, done }) => {
                let ended = self.parts.fetcher.seek(now, &partition, to);
                let outcome = match ended {
                    Some(stamp) => {
                        if let Some(committer) = &mut self.parts.committer {
                            committer.handle_epoch_ended(&stamp);
                        }
                        Ok(())
                    }
                    None => Err(Error::config(
                        "the partition is not assigned to this consumer, or being given up",
                    )
                    .at(&partition)),
                };
                let _ = done.send(outcome);
            }
            Some(Command::Commit { done }) => {
                self.collect_now(now);
                if let Some(committer) = &mut self.parts.committer {
                    committer.flush_all(now);
                }
                self.commit_waiters.push(done);
            }
            #[cfg(feature = "__open-gate")]
            Some(Command::CommitBehindTheGate { lease, offset, done }) => {
                if let Some(committer) = &mut self.parts.committer {
                    let committable =
                        proto::offsets::Committable { offset, leader_epoch: None, metadata: None };
                    committer.open_gate();
                    self.parts.fetcher.with_assignments(|assignments| {
                        committer.handle_committable(now, lease.stamp(), committable, assignments);
                    });
                    committer.flush_all(now);
                }
                self.commit_waiters.push(done);
            }
            Some(Command::Rebalance { reason }) => {
                if let Some(membership) = &mut self.parts.membership {
                    membership.enforce_rebalance(now, reason);
                }
            }
            Some(Command::Close { drain, operation, done }) => {
                self.close(now, drain, operation, Some(done));
            }
            // All handles are gone: nobody can acknowledge anything that was not handed out.
            None => {
                self.forsaken = true;
                if self.closing.is_none() {
                    self.close(now, Duration::ZERO, None, None);
                }
            }
        }
    }

    /// Something was acknowledged that is waited for.
    fn handle_progress(&mut self) {
        self.collect_at = clock::now();
        self.parts.fetcher.wake_reader();
    }

    /// The cluster changed: the leader of the group assigns from partition counts, and topics may be other topics.
    fn handle_view(&mut self) {
        let now = clock::now();
        self.look_for_topics(now);
        self.tell_counts(now);
        self.tell_names(now);
        let mut gone = BTreeSet::new();
        let by_topic_id = self.parts.membership.as_ref().is_some_and(Membership::has_member_epoch);
        for stamp in self.parts.fetcher.handle_view(now) {
            if let Some(committer) = &mut self.parts.committer {
                committer.handle_epoch_ended(&stamp);
            }
            if by_topic_id {
                gone.insert(stamp.partition().clone());
            }
        }
        if !gone.is_empty() {
            self.parts.events.send(Event::Lost { partitions: gone, reason: LostReason::TopicRecreated });
        }
    }

    /// Topics may have come or gone; to a reader without a group, every partition counts.
    fn look_for_topics(&mut self, now: Instant) {
        if self.closing.is_some() || !self.parts.subscribed.is_whole_topics() {
            return;
        }
        let Parts { client, subscribed, membership, .. } = &mut self.parts;
        let changed = client.metadata().view(|view| subscribed.look(view));
        match membership {
            Some(membership) if changed => membership.handle_subscription(now, subscribed.topics().clone()),
            Some(_) => {}
            None => self.assign_whole_topics(now),
        }
    }

    fn assign_whole_topics(&mut self, now: Instant) {
        let Parts { client, fetcher, subscribed, store, otherwise, events, .. } = &self.parts;
        let (topics, ours) = (subscribed.topics(), fetcher.assignment());
        let found = client.metadata().view(|view| subscribed.partitions(view));
        let added: BTreeSet<TopicPartition> = found.difference(&ours).cloned().collect();
        let gone: BTreeSet<TopicPartition> =
            ours.iter().filter(|partition| !topics.contains(&partition.topic)).cloned().collect();
        if !added.is_empty() {
            let start = |partition: &TopicPartition| {
                Some((partition.clone(), subscribed.start(partition, *otherwise, store.is_some())?))
            };
            fetcher.assign_with(now, added.iter().filter_map(start), Generation(-1));
            let assignment = fetcher.assignment();
            events.send(Event::Assigned { added, assignment });
        }
        if !gone.is_empty() {
            self.end(&gone, FenceReason::Lost);
            self.parts.events.send(Event::Lost { partitions: gone, reason: LostReason::TopicGone });
        }
    }

    fn tell_counts(&mut self, now: Instant) {
        let Some(membership) = &mut self.parts.membership else { return };
        let metadata = self.parts.client.metadata();
        let counts = metadata.partition_counts(&self.counted);
        let racks = metadata.partition_racks(&self.counted);
        if counts != self.counts || racks != self.racks {
            membership.handle_partition_racks(&racks);
            membership.handle_partition_counts(now, &counts);
            (self.counts, self.racks) = (counts, racks);
        }
    }

    /// The names of topics that the coordinator assigned by their ids, as far as they are known.
    fn tell_names(&mut self, now: Instant) {
        let names = self.unnamed.resolve(&self.parts.client);
        if let (false, Some(membership)) = (names.is_empty(), &mut self.parts.membership) {
            membership.handle_topic_names(now, &names);
        }
    }

    // --- The group -----------------------------------------------------------------------------------------------

    fn handle_group_event(&mut self, now: Instant, event: GroupEvent) {
        let events = self.parts.events.clone();
        match event {
            GroupEvent::CoordinatorFound(coordinator) => {
                let address = format!("{}:{}", coordinator.host, coordinator.port);
                events.send(Event::CoordinatorFound { address });
            }
            GroupEvent::CoordinatorLost => events.send(Event::CoordinatorLost),
            GroupEvent::Joining { reason } => {
                self.parts.fetcher.begin_rebalance();
                let reason = reason.wire_text().into_owned();
                self.spans.rebalance(&reason);
                events.send(Event::Joining { reason });
            }
            GroupEvent::Stable { generation, leader, protocol } => {
                let member = self.parts.membership.as_ref().and_then(Membership::snapshot);
                self.spans.stable(generation, leader, protocol.name(), member.as_ref());
                events.send(Event::Stable { generation, leader, assignor: protocol.name() });
            }
            GroupEvent::Assigned { generation, added, assignment } => {
                let Parts { subscribed, otherwise, .. } = &self.parts;
                let start = |partition: &TopicPartition| {
                    let otherwise = subscribed.otherwise(partition, *otherwise);
                    (partition.clone(), Start::Committed { otherwise })
                };
                self.parts.fetcher.assign_with(now, added.iter().map(start), generation);
                if !added.is_empty() {
                    // Where the coordinator assigns, partitions may come without anything having gone before.
                    self.spans.rebalance("the coordinator assigned more");
                }
                if let Some(took) = self.spans.assigned(added.len(), assignment.len()) {
                    self.parts.steps.rebalanced(took);
                }
                events.send(Event::Assigned { added, assignment });
            }
            GroupEvent::Revoke { partitions, deadline } => self.begin_drain(now, partitions, deadline),
            GroupEvent::Lost { partitions, reason } => {
                self.end(&partitions, FenceReason::Lost);
                self.parts.steps.lost();
                if let Some(drain) = &mut self.drain {
                    drain.partitions.retain(|partition| !partitions.contains(partition));
                    if drain.partitions.is_empty() {
                        self.drain = None;
                    }
                }
                events.send(Event::Lost { partitions, reason });
            }
            GroupEvent::NeedMetadata(topics) => {
                self.counted = topics.clone();
                let Parts { client, fetcher, subscribed, .. } = &self.parts;
                subscribed.want(client.metadata(), fetcher.interest(), &topics);
                self.tell_counts(now);
            }
            GroupEvent::NeedTopicNames(topics) => {
                self.unnamed.ask(topics);
                self.tell_names(now);
                if !self.unnamed.is_empty() {
                    self.parts.client.metadata().refresh_soon();
                }
            }
            GroupEvent::Epoch { epoch, joined } => {
                let member = self.parts.membership.as_ref().and_then(Membership::snapshot);
                self.spans.epoch(epoch, member.as_ref());
                if joined {
                    events.send(Event::Stable {
                        generation: epoch,
                        leader: false,
                        assignor: "the coordinator",
                    });
                }
            }
            GroupEvent::Unsettled => self.parts.fetcher.begin_rebalance(),
            GroupEvent::Settled => self.parts.fetcher.settle_assignment(),
            GroupEvent::Refused { error, message, .. } => {
                let error =
                    Error::broker(error).doing("joining the group").message(message.unwrap_or_default());
                self.parts.events.trouble(Subject::Coordinator, error);
            }
            GroupEvent::FellBack { reason } => {
                if let Some(committer) = &mut self.parts.committer {
                    committer.set_wire_epoch_policy(WireEpochPolicy::Current);
                }
                self.parts.fetcher.set_by_topic_id(false);
                events.send(Event::FellBack { reason });
            }
            GroupEvent::MemberUnreadable { member_id } => {
                let error = Error::new(ErrorKind::Malformed).message(format!(
                    "the subscription of member {member_id} cannot be read: it gets no partitions"
                ));
                events.send(Event::Trouble { error });
            }
            GroupEvent::Left => {
                events.send(Event::Left);
                self.ended = true;
            }
            GroupEvent::Fatal { error } => {
                let kind = match &error {
                    proto::group::GroupError::FencedInstanceId { .. }
                    | proto::group::GroupError::UnreleasedInstanceId { .. } => ErrorKind::Fenced,
                    _ => ErrorKind::Config,
                };
                let mut failure = Error::new(kind).source(error);
                if let Some(group) = &self.parts.group_id {
                    failure = failure.group(group);
                }
                events.send(Event::Failed { error: failure.clone() });
                self.parts.fetcher.fail(failure);
                self.ended = true;
            }
        }
    }

    fn send_group_call(&mut self, call: GroupCall) {
        let client = self.parts.client.clone();
        let span = self.spans.call(&call.request);
        let steps = self.parts.steps.clone();
        let outcome = async move {
            let id = call.id;
            let start = clock::now();
            let mut metadata_version = None;
            let (answer, error) = match group_call(&client, call, &mut metadata_version).await {
                Ok(answer) => (Ok(answer), None),
                Err(error) => (Err(as_call_failed(&error)), Some(error)),
            };
            let took = clock::now() - start;
            if let Ok(answer) = &answer {
                steps.answered(answer, took);
            }
            match &error {
                None => tracing::debug!(target: "milena::group", ?took, "answered"),
                Some(error) => tracing::debug!(target: "milena::group", ?took, %error, "failed"),
            }
            Outcome::Group { id, answer, error, metadata_version }
        };
        self.calls.push(Box::pin(outcome.instrument(span)));
    }

    /// A member whose session may have passed hands nothing out and commits nothing until it hears from the coordinator.
    fn guard_session(&mut self) {
        let Some(membership) = &self.parts.membership else { return };
        let deadline = membership.session_deadline();
        self.parts.fetcher.deliver_until(deadline);
        if let Some(committer) = &mut self.parts.committer {
            match deadline {
                Some(deadline) if clock::now() >= deadline => committer.hold(),
                _ => committer.release(),
            }
        }
    }

    /// A reader that stands still is said to do so, and leaves if that is wanted.
    fn watch_reader(&mut self, now: Instant) {
        let (Some(watch), None) = (&mut self.parts.watch, &self.closing) else { return };
        let leaving = watch.leaves();
        let Some(change) = watch.look(now, &self.parts.fetcher) else { return };
        let membership = self.parts.membership.as_mut().filter(|_| leaving);
        match change {
            Change::Stalled(lasting) => {
                self.parts.events.send(Event::Stalled { lasting, leaving });
                if let Some(membership) = membership {
                    membership.handle_stalled(now);
                }
            }
            Change::Unstalled(lasting) => {
                self.parts.events.send(Event::Unstalled { lasting });
                if let Some(membership) = membership {
                    membership.handle_unstalled(now);
                }
            }
        }
    }
}
