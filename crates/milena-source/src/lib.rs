//! Kafka as a stream, with acknowledgements in any order and commits that are always true.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use futures_util::StreamExt;
//! use milena_source::Source;
//!
//! # async fn example() -> milena_source::Result<()> {
//! let source = Source::builder("localhost:9092").group("billing").topics(["orders"]).build().await?;
//! let mut batches = source.batches();
//! while let Some(batch) = batches.next().await {
//!     let batch = batch?;
//!     for record in batch.records() {
//!         let record = record.map_err(|error| milena_source::Error::corrupt(batch.partition(), batch.offsets().start, error))?;
//!         println!("{} at {}: {:?}", batch.partition(), record.offset(), record.value());
//!     }
//!     batch.ack();
//! }
//! source.drain(Duration::from_secs(10)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is guaranteed
//!
//! **At least once.** What was not acknowledged is delivered again, to whoever owns its partition next. What is committed is the
//! end of a prefix without gaps.
//!
//! **No false commit.** Every batch and record belongs to the assignment epoch it was read in. A revoke, a loss, a seek and a
//! recreated topic end the epoch; an acknowledgement that comes later is [`Ack::Fenced`], and is never committed.
//!
//! **A planned hand-over repeats nothing**, as long as what is in hand is acknowledged within the drain timeout.
//!
//! **Bounded memory.** Batches and records hold on to the bytes they came in, and these count against the budget
//! ([`SourceBuilder::budget_bytes`]). A reader that stops reading, or never lets go, stops the fetching; heartbeats go on.
//!
//! # What is read, and from where on
//!
//! [Topics](SourceBuilder::topics), a [pattern](SourceBuilder::topics_matching) of them, or
//! [partitions](SourceBuilder::partitions). In a group, partitions are shared; without one, all is read by this source. What appears
//! later is found, and begins at its first record: with `auto.offset.reset=latest`, too, since nobody asked to leave out what is
//! written before anybody can know of it (`milena.new.partitions`).
//!
//! A partition begins at the committed offset. Where there is none, [`SourceBuilder::start`] or `auto.offset.reset` says where. A
//! failed or partial answer is never taken for "no offset": the partition waits. Offsets may be kept in a place of the program's
//! own, under the same guarantees: [`OffsetStore`].
//!
//! # One stream, or one for each partition
//!
//! [`Source::batches`] and [`Source::records`] give everything in one stream, [`Source::partitions`] a stream for each partition that
//! is assigned, which ends when it is given up. None of these waits for another: one that is polled slowly fills its partition's
//! share of the budget, and the others go on.
//!
//! # Steering and watching
//!
//! [`Source`] is a handle: clone it, [pause](Source::pause), [seek](Source::seek), look at [`Source::status`], listen to
//! [`Source::events`], follow [`Source::assignments`], ask for the [lag](Source::lag). One clone reads.

mod ack;
mod assignments;
mod batch;
mod builder;
mod partitions;
mod record;
mod source;
mod stream;
mod until;

pub use ack::Ack;
pub use assignments::{AssignmentChange, AssignmentStream};
pub use batch::{Batch, Records};
pub use builder::SourceBuilder;
pub use partitions::{PartitionStream, PartitionStreams};
pub use record::Record;
pub use source::{Source, SourceCounters};
pub use stream::{BatchStream, RecordStream};
pub use until::Until;

// What a user of a source meets of the crates below.
pub use client::config;
pub use client::consumer::{
    Events, Lag, Loaded, OffsetStore, OffsetToStore, PartitionStatus, PartitionToLoad, StoreError,
    StoredOffset, Storing, TopicPattern,
};
pub use client::{
    Error, ErrorKind, Event, FenceReason, Generation, LeaderEpoch, MoveCause, OffsetSpec, Reset, Result,
    Start, TopicId, TopicPartition,
};
