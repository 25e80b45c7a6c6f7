//! Writing records: which batch they go into, which request carries it, and what became of it.
//!
//! [`Accumulator`] is the machine. Records are appended to batches, one open batch per partition; a batch is sent when it
//! is full or has waited long enough, together with those of other partitions that the same broker leads.
//!
//! What holds:
//! - **Order.** Of one partition at most one batch is under way, and the next one only after its outcome. So records of
//!   a partition arrive in the order in which they were appended, with and without idempotence.
//! - **One outcome for each batch**, within the delivery timeout.
//! - **"Maybe written" is honest.** A batch that failed after a try whose result is not known may be in the log. Only
//!   where every try was refused before the log was touched is it said to be absent.
//! - **No sequence number twice.** A batch that fails after it was numbered ends its producer epoch in that partition
//!   (KIP-360: an idempotent producer raises it by itself). So a late copy of it is refused by the broker, and the next
//!   batch is never taken for its duplicate.

mod accumulator;
mod batch;
mod event;
mod partition;
mod sequence;
mod settings;

pub use accumulator::Accumulator;
pub use batch::{BatchId, ProduceBatches, ProduceCall};
pub use event::{AppendError, Place, ProduceEvent, Setback, Undelivered, Why};
pub use partition::{murmur2, partition_of_key};
pub use settings::ProduceSettings;

#[cfg(test)]
mod tests;
