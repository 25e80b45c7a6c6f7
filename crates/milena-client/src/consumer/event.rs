//! What happens to a consumer, for whoever wants to know.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use proto::assignments::FenceReason;
use proto::group::LostReason;
use proto::position::MoveCause;
use proto::types::{AssignmentEpoch, Generation, TopicPartition};
use tokio::sync::broadcast;

use crate::clock;
use crate::consumer::outage::{Outage, Outages, Subject};
use crate::error::{Error, ErrorKind};

/// News of a consumer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The group's coordinator was found.
    CoordinatorFound {
        /// Where.
        address: String,
    },
    /// The group's coordinator is looked for again. The membership stays as it is.
    CoordinatorLost,
    /// The member joins its group (again).
    Joining {
        /// Why.
        reason: String,
    },
    /// A rebalance is complete.
    Stable {
        /// The generation.
        generation: Generation,
        /// Whether this member assigns for the group.
        leader: bool,
        /// The assignor that the group uses.
        assignor: &'static str,
    },
    /// The coordinator does not take the consumer protocol (KIP-848) from this group: the classic one is spoken from here
    /// on.
    FellBack {
        /// Why.
        reason: &'static str,
    },
    /// What is this consumer's from here on.
    Assigned {
        /// What was not before.
        added: BTreeSet<TopicPartition>,
        /// All of it.
        assignment: BTreeSet<TopicPartition>,
    },
    /// These partitions are being given up: nothing more of them is delivered, what was delivered may still be
    /// acknowledged.
    Revoking {
        /// Which.
        partitions: BTreeSet<TopicPartition>,
        /// How long acknowledgements are waited for.
        drain: Duration,
    },
    /// These partitions are given up; what was finished in time is committed.
    Revoked {
        /// Which.
        partitions: BTreeSet<TopicPartition>,
        /// Whether all that was delivered of them is acknowledged and committed, or what is missing.
        drained: Result<(), Undrained>,
    },
    /// These partitions are gone; nothing more can be committed for them.
    Lost {
        /// Which.
        partitions: BTreeSet<TopicPartition>,
        /// Why.
        reason: LostReason,
    },
    /// An offset was committed.
    Committed {
        /// Of which partition.
        partition: TopicPartition,
        /// In which assignment epoch.
        epoch: AssignmentEpoch,
        /// The next offset to read.
        offset: i64,
    },
    /// An offset that was ready will not be committed: its assignment epoch ended first.
    Fenced {
        /// Of which partition.
        partition: TopicPartition,
        /// In which assignment epoch.
        epoch: AssignmentEpoch,
        /// The offset.
        offset: i64,
        /// Why.
        reason: FenceReason,
    },
    /// An offset was not sent, because a higher one of the same assignment epoch stands.
    Superseded {
        /// Of which partition.
        partition: TopicPartition,
        /// In which assignment epoch.
        epoch: AssignmentEpoch,
        /// The offset.
        offset: i64,
        /// The one that stands.
        by: i64,
    },
    /// The coordinator refused to commit an offset, for good.
    CommitFailed {
        /// Of which partition.
        partition: TopicPartition,
        /// What it said.
        error: Error,
    },
    /// A position moved by something else than delivery.
    Moved {
        /// Of which partition.
        partition: TopicPartition,
        /// Why.
        cause: MoveCause,
        /// Where it was; `None` where there was none.
        from: Option<i64>,
        /// Where it is.
        to: i64,
        /// Offsets whose records are gone although nobody asked for that: passed over unread, or, where the log was
        /// truncated, no longer in it. Those below `from` may have been delivered.
        lost: Option<std::ops::Range<i64>>,
    },
    /// A partition cannot be read on, and trying again did not help. It waits to be moved or given up; what may be mended by
    /// somebody else (a batch that is damaged, one that is too large) is tried again every few seconds.
    Stuck {
        /// Which.
        partition: TopicPartition,
        /// Why.
        error: Error,
    },
    /// Nothing was taken from the stream and nothing acknowledged for a whole `max.poll.interval.ms`, though partitions are
    /// assigned: the sink stands still.
    Stalled {
        /// For how long.
        lasting: Duration,
        /// Whether the member leaves its group until the sink goes on (`milena.leave.when.stalled`).
        leaving: bool,
    },
    /// The sink goes on.
    Unstalled {
        /// How long it stood still.
        lasting: Duration,
    },
    /// Something failed and is tried again.
    Trouble {
        /// What.
        error: Error,
    },
    /// The member has left its group.
    Left,
    /// The consumer has ended with this error.
    Failed {
        /// Why.
        error: Error,
    },
    /// The consumer has ended, by itself or because it was closed. Nothing follows.
    Closed,
    /// So many events were not seen by this receiver: it was too slow.
    Missed {
        /// How many.
        events: u64,
    },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CoordinatorFound { address } => write!(f, "coordinator found at {address}"),
            Self::CoordinatorLost => write!(f, "coordinator lost, looking for it"),
            Self::Joining { reason } if reason.is_empty() => write!(f, "joining the group"),
            Self::Joining { reason } => write!(f, "joining the group: {reason}"),
            Self::Stable { generation, leader, assignor } => {
                let role = if *leader { ", as its leader" } else { "" };
                write!(f, "group stable in generation {} by {assignor}{role}", generation.0)
            }
            Self::FellBack { reason } => write!(f, "speaking the classic group protocol: {reason}"),
            Self::Assigned { added, assignment } => {
                write!(f, "assigned {}", Listed(assignment))?;
                if added.len() != assignment.len() {
                    write!(f, ", new {}", Listed(added))?;
                }
                Ok(())
            }
            Self::Revoking { partitions, drain } => {
                let partitions = Listed(partitions);
                write!(f, "giving up {partitions}, waiting {drain:.1?} at most for acknowledgements")
            }
            Self::Revoked { partitions, drained: Ok(()) } => {
                write!(f, "gave up {}, all committed", Listed(partitions))
            }
            Self::Revoked { partitions, drained: Err(undrained) } => {
                write!(f, "gave up {}, but {undrained}", Listed(partitions))
            }
            Self::Lost { partitions, reason } => write!(f, "lost {}: {reason:?}", Listed(partitions)),
            Self::Committed { partition, epoch, offset } => {
                write!(f, "committed {partition} = {offset} in epoch {epoch}")
            }
            Self::Fenced { partition, epoch, offset, reason } => {
                write!(f, "fenced {partition} = {offset} of epoch {epoch}: {reason}")
            }
            Self::Superseded { partition, epoch, offset, by } => {
                write!(f, "superseded {partition} = {offset} of epoch {epoch} by {by}")
            }
            Self::CommitFailed { partition, error } => write!(f, "commit of {partition} failed: {error}"),
            Self::Moved { partition, cause, from, to, lost } => {
                write!(f, "{partition} moved ")?;
                if let Some(from) = from {
                    write!(f, "from {from} ")?;
                }
                write!(f, "to {to}: {cause}")?;
                if let Some(lost) = lost {
                    write!(f, ", lost {}..{}", lost.start, lost.end)?;
                }
                Ok(())
            }
            Self::Stuck { partition, error } => write!(f, "{partition} is stuck: {error}"),
            Self::Stalled { lasting, leaving } => {
                write!(f, "nothing was taken or acknowledged for {lasting:.1?}")?;
                f.write_str(if *leaving { ", leaving the group until something is" } else { "" })
            }
            Self::Unstalled { lasting } => write!(f, "records are taken again, after {lasting:.1?}"),
            Self::Trouble { error } => write!(f, "trying again: {error}"),
            Self::Left => write!(f, "left the group"),
            Self::Failed { error } => write!(f, "ended: {error}"),
            Self::Closed => write!(f, "closed"),
            Self::Missed { events } => write!(f, "{events} events were not seen in time"),
        }
    }
}

/// What was not done when partitions were given up, and how long it was waited for. At least one of the two is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Undrained {
    /// Something that was delivered of this partition was not acknowledged.
    pub unacknowledged: Option<(TopicPartition, Duration)>,
    /// Something that was acknowledged of this partition was not committed: the coordinator did not answer, or there was
    /// none, or it refused for good, which [`Event::CommitFailed`] told.
    pub uncommitted: Option<(TopicPartition, Duration)>,
}

impl Undrained {
    /// It as an error that names a partition.
    pub fn to_error(&self) -> Error {
        let error = Error::new(ErrorKind::TimedOut).doing("draining").message(self.to_string());
        match self.unacknowledged.as_ref().or(self.uncommitted.as_ref()) {
            Some((partition, _)) => error.at(partition),
            None => error,
        }
    }
}

impl fmt::Display for Undrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((partition, waited)) = &self.unacknowledged {
            write!(f, "not all that was delivered of {partition} was acknowledged within {waited:.1?}")?;
        }
        if let Some((partition, waited)) = &self.uncommitted {
            let and = if self.unacknowledged.is_some() { ", and " } else { "" };
            write!(f, "{and}the last commit of {partition} was not stored within {waited:.1?}")?;
        }
        Ok(())
    }
}

struct Listed<'a>(&'a BTreeSet<TopicPartition>);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (index, partition) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{partition}")?;
        }
        Ok(())
    }
}

/// Events that wait for a slow receiver. Beyond them the oldest are dropped, and [`Event::Missed`] says how many.
const EVENTS_MAX: usize = 1024;

/// Where events come from.
#[derive(Clone, Debug)]
pub(crate) struct EventSender {
    sender: broadcast::Sender<Event>,
    outages: Outages,
}

impl EventSender {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(EVENTS_MAX), outages: Outages::default() }
    }

    /// Says what happened: to the log, and to whoever listens.
    pub(crate) fn send(&self, event: Event) {
        match &event {
            Event::Trouble { error } => self.log_trouble(Subject::of(error), error),
            Event::Failed { .. } | Event::Stuck { .. } | Event::CommitFailed { .. } => {
                tracing::error!(target: "milena::consumer", "{event}");
            }
            Event::Lost { .. } | Event::Fenced { .. } | Event::Stalled { .. } => {
                tracing::warn!(target: "milena::consumer", "{event}");
            }
            Event::Committed { .. } | Event::Superseded { .. } | Event::Closed => {
                tracing::debug!(target: "milena::consumer", "{event}");
            }
            // While a coordinator is dead it is found and lost all the time.
            Event::CoordinatorFound { .. } | Event::CoordinatorLost | Event::Joining { .. }
                if self.outages.is_known(&Subject::Coordinator) =>
            {
                tracing::debug!(target: "milena::consumer", "{event}");
            }
            _ => tracing::info!(target: "milena::consumer", "{event}"),
        }
        if let Event::Revoked { partitions, .. } | Event::Lost { partitions, .. } = &event {
            for partition in partitions {
                // Whether it works is another one's concern from here on.
                self.outages.works(|| Subject::Partition(partition.clone()));
            }
        }
        // Nobody listens: that is fine.
        let _ = self.sender.send(event);
    }

    /// Something failed and is tried again: whoever listens hears of it every time, the log ever more seldom.
    pub(crate) fn trouble(&self, subject: Subject, error: Error) {
        self.log_trouble(Some(subject), &error);
        let _ = self.sender.send(Event::Trouble { error });
    }

    fn log_trouble(&self, subject: Option<Subject>, error: &Error) {
        let Some(subject) = subject else {
            return tracing::warn!(target: "milena::consumer", "trying again: {error}");
        };
        let (Outage { since, failures, .. }, say) = self.outages.failed(subject, error.kind());
        let lasting = clock::now() - since;
        match say {
            true if failures == 1 => tracing::warn!(target: "milena::consumer", "trying again: {error}"),
            true => tracing::warn!(target: "milena::consumer", ?lasting, failures, "trying again: {error}"),
            false => tracing::debug!(target: "milena::consumer", ?lasting, failures, "trying again: {error}"),
        }
    }

    /// It works: said if it did not before.
    pub(crate) fn works(&self, subject: impl FnOnce() -> Subject) {
        if let Some((subject, Outage { since, failures, .. })) = self.outages.works(subject) {
            let took = clock::now() - since;
            tracing::info!(target: "milena::consumer", ?took, failures, "{subject} works again");
        }
    }

    pub(crate) fn subscribe(&self) -> Events {
        Events(self.sender.subscribe())
    }
}

/// Events of one consumer, from the moment this was asked for.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` once the consumer is gone.
    ///
    /// # Cancel safety
    /// No event is lost when it is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(events)) => Some(Event::Missed { events }),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// The next event that is there already.
    pub fn try_next(&mut self) -> Option<Event> {
        match self.0.try_recv() {
            Ok(event) => Some(event),
            Err(broadcast::error::TryRecvError::Lagged(events)) => Some(Event::Missed { events }),
            Err(_) => None,
        }
    }
}
