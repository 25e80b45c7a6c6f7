//! The source itself: what is built once, and handed around.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::consumer::{Consumer, Control, Events, Lag, MembershipOperation, PartitionStatus, Rebalances};
use client::{Client, Result, Start, TopicPartition};

use crate::ack::AckCounters;
use crate::assignments::AssignmentStream;
use crate::builder::SourceBuilder;
use crate::partitions::PartitionStreams;
use crate::stream::{BatchStream, Reading, RecordStream};
use crate::until::{Bound, Ends, Until};

/// Topics of Kafka as a stream.
///
/// Clones are handles to the same source. One of them reads, by [`batches`](Self::batches) or
/// [`records`](Self::records); all of them watch and steer. When the reader and all handles are gone, the source leaves
/// its group without waiting for anything; [`drain`](Self::drain) is the clean way to end it.
#[derive(Clone)]
pub struct Source(Arc<Inner>);

struct Inner {
    client: Client,
    control: Control,
    reader: Mutex<Option<Consumer>>,
    ends: Ends,
    until: Until,
    patience: Duration,
    acks: Arc<AckCounters>,
}

/// What a source has done since it was built.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct SourceCounters {
    /// Batches handed out.
    pub delivered_batches: u64,
    /// Their bytes as they were received.
    pub delivered_bytes: u64,
    /// Fetched chunks that were not handed out, because their assignment epoch had ended or was ending.
    pub stale_chunks: u64,
    /// Acknowledgements that came after the end of their assignment epoch.
    pub fenced_acks: u64,
    /// Bytes received from brokers, all connections of the client together.
    pub bytes_received: u64,
    /// Bytes that fetched data holds in memory now.
    pub budget_used: usize,
    /// The most that it held.
    pub budget_peak: usize,
}

impl Source {
    /// Begins to describe a source: `host:port`, several with commas between them.
    pub fn builder(bootstrap_servers: &str) -> SourceBuilder {
        SourceBuilder::new(bootstrap_servers)
    }

    /// `patience` is how long a member of a bounded read that is given nothing waits for something.
    pub(crate) fn new(
        client: Client,
        consumer: Consumer,
        ends: Ends,
        until: Until,
        patience: Duration,
    ) -> Self {
        let control = consumer.control().clone();
        Self(Arc::new(Inner {
            client,
            control,
            reader: Mutex::new(Some(consumer)),
            ends,
            until,
            patience,
            acks: Arc::default(),
        }))
    }

    /// Reads by batches: the fast way.
    ///
    /// A source has one reader. Asked for a second one, the stream says so and ends.
    pub fn batches(&self) -> BatchStream {
        let reader = self.take_reader().map(Reading::All);
        let bound = Bound::new(self.0.ends.clone(), self.0.patience);
        BatchStream::new(reader, bound, self.0.acks.clone())
    }

    /// Reads each partition by a stream of its own, which is handed out when the partition is assigned and ends when it is being
    /// given up.
    ///
    /// A source has one reader. Asked for a second one, the stream says so and ends.
    pub fn partitions(&self) -> PartitionStreams {
        let readers = self.take_reader().map(Consumer::split);
        let bound = Bound::new(self.0.ends.clone(), self.0.patience);
        PartitionStreams::new(readers, bound, self.0.acks.clone())
    }

    /// What is assigned, now and as it changes.
    pub fn assignments(&self) -> AssignmentStream {
        AssignmentStream::new(&self.0.control)
    }

    fn take_reader(&self) -> Option<Consumer> {
        self.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Reads record by record.
    ///
    /// A source has one reader. Asked for a second one, the stream says so and ends.
    pub fn records(&self) -> RecordStream {
        let count = match self.0.until {
            Until::Count(count) => count,
            _ => u64::MAX,
        };
        RecordStream::new(self.batches(), count)
    }

    /// What happens from here on: assignments, commits, fences, moves of positions.
    pub fn events(&self) -> Events {
        self.0.control.events()
    }

    /// How every assigned partition stands at this moment.
    pub fn status(&self) -> Vec<PartitionStatus> {
        self.0.control.status()
    }

    /// How far behind each assigned partition is, in records and in time, where that is known. Nobody is asked for it.
    pub fn lag(&self) -> BTreeMap<TopicPartition, Lag> {
        self.0.control.lag()
    }

    /// What the source has done so far.
    pub fn counters(&self) -> SourceCounters {
        let fetched = self.0.control.counters();
        let budget = self.0.control.budget();
        SourceCounters {
            delivered_batches: fetched.delivered_batches,
            delivered_bytes: fetched.delivered_bytes,
            stale_chunks: fetched.stale_chunks,
            fenced_acks: self.0.acks.fenced.load(Ordering::Relaxed),
            bytes_received: self.0.client.bytes_received(),
            budget_used: budget.used(),
            budget_peak: budget.peak(),
        }
    }

    /// How often the group rebalanced, and how long each step took.
    pub fn rebalances(&self) -> Rebalances {
        self.0.control.rebalances()
    }

    /// The client underneath, for other calls to the same cluster.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// Hands out nothing more of these partitions until they are resumed.
    pub fn pause<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.0.control.pause(partitions);
    }

    /// Ends a pause.
    pub fn resume<'a>(&self, partitions: impl IntoIterator<Item = &'a TopicPartition>) {
        self.0.control.resume(partitions);
    }

    /// Goes on elsewhere in a partition, backwards too. A new assignment epoch begins: what was delivered before can no
    /// longer be acknowledged.
    ///
    /// # Errors
    /// The partition is not assigned, or is being given up; or the source is closed.
    ///
    /// # Cancel safety
    /// Dropped, the seek may happen or not.
    pub async fn seek(&self, partition: TopicPartition, to: Start) -> Result<()> {
        self.0.control.seek(partition, to).await
    }

    /// Commits what is acknowledged without a gap, now.
    ///
    /// # Errors
    /// The source is closed.
    ///
    /// # Cancel safety
    /// Dropped, the commit goes on.
    pub async fn commit(&self) -> Result<()> {
        self.0.control.commit().await
    }

    /// Makes a member of a classic group join again although nothing has changed (KIP-568). Does nothing while a rebalance is
    /// under way, in the consumer protocol, and without a group.
    ///
    /// # Errors
    /// The source is closed.
    ///
    /// # Cancel safety
    /// Dropped, it may happen or not.
    pub async fn enforce_rebalance(&self, reason: impl Into<String>) -> Result<()> {
        self.0.control.enforce_rebalance(reason).await
    }

    /// Ends the source cleanly: hands out nothing more, waits until everything that was handed out is acknowledged or
    /// `deadline` has passed, commits, and leaves the group; a static member stays in it, to come back. The streams end.
    ///
    /// # Errors
    /// Something that was handed out was not acknowledged and committed in time: the error names a partition. What comes
    /// before it without a gap is committed, and whoever reads the partition next begins there. Or the coordinator refused
    /// a commit.
    ///
    /// # Cancel safety
    /// Dropped, the drain goes on.
    pub async fn drain(&self, deadline: Duration) -> Result<()> {
        let events = self.events();
        self.0.control.close(deadline).await;
        drained(events)
    }

    /// [`drain`](Self::drain), with a word on what it means for the group (KIP-1092): a static member may leave for good, and a
    /// dynamic one may stay until its session ends.
    ///
    /// # Errors
    /// As [`drain`](Self::drain).
    ///
    /// # Cancel safety
    /// Dropped, the drain goes on.
    pub async fn drain_as(&self, deadline: Duration, operation: MembershipOperation) -> Result<()> {
        let events = self.events();
        self.0.control.close_as(deadline, operation).await;
        drained(events)
    }
}

/// Whether all was acknowledged and committed.
fn drained(mut events: Events) -> Result<()> {
    let mut failure = None;
    while let Some(event) = events.try_next() {
        match event {
            client::Event::Revoked { drained: Err(undrained), .. } if failure.is_none() => {
                failure = Some(undrained.to_error());
            }
            client::Event::CommitFailed { error, .. } => failure = Some(error.doing("draining")),
            _ => {}
        }
    }
    failure.map_or(Ok(()), Err)
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("counters", &self.counters()).finish_non_exhaustive()
    }
}
