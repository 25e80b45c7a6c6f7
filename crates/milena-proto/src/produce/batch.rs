//! Batches, and the requests that carry them.

use std::sync::Arc;
use std::time::Instant;

use records::{BatchBuilder, BuildError, Compressor, ProducerState};

use crate::produce::event::Setback;
use crate::types::{BrokerId, LeaderEpoch, RequestId, TopicId, TopicPartition};
use crate::wire::{InitProducerIdRequest, ProduceRequest, ProduceTopic};

/// Names a batch; later ones are greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BatchId(pub u64);

/// A call to make.
#[derive(Debug)]
pub enum ProduceCall {
    /// Any broker is to be asked for a producer id.
    InitProducerId {
        /// What the answer is to be handed in with.
        id: RequestId,
        /// What is asked.
        request: InitProducerIdRequest,
    },
    /// A broker is to append batches.
    Produce(ProduceBatches),
}

/// Batches for one broker. Kept apart from the request, so that compressing them need not happen where the decision is
/// made.
#[derive(Debug)]
pub struct ProduceBatches {
    pub(super) id: RequestId,
    pub(super) broker: BrokerId,
    pub(super) acks: i16,
    pub(super) timeout_ms: i32,
    pub(super) batches: Vec<(TopicPartition, TopicId, Arc<BatchBuilder>)>,
}

impl ProduceBatches {
    /// What the answer is to be handed in with.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// Who leads the partitions.
    pub fn broker(&self) -> BrokerId {
        self.broker
    }

    /// Whether all topics' ids are known: the request may go by id then, that is in version 13.
    pub fn has_ids(&self) -> bool {
        self.batches.iter().all(|(_, id, _)| !id.is_zero())
    }

    /// Compresses and seals the batches.
    ///
    /// # Errors
    /// The codec refuses a batch.
    pub fn build(&self, compressor: &mut Compressor) -> Result<ProduceRequest, BuildError> {
        let mut topics: Vec<ProduceTopic> = Vec::new();
        for (tp, id, builder) in &self.batches {
            let batch = (tp.partition, builder.build(compressor)?);
            // Partitions come in order, but that order may begin in the middle of a topic.
            match topics.iter_mut().find(|topic| topic.name == tp.topic) {
                Some(topic) => topic.partitions.push(batch),
                None => {
                    topics.push(ProduceTopic { name: tp.topic.clone(), id: *id, partitions: vec![batch] })
                }
            }
        }
        Ok(ProduceRequest { transactional_id: None, acks: self.acks, timeout_ms: self.timeout_ms, topics })
    }
}

/// A batch on its way: from its first record to its outcome.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) id: BatchId,
    /// The batch it was split from, or itself.
    pub(super) root: BatchId,
    /// Shared with the request under way.
    pub(super) builder: Arc<BatchBuilder>,
    /// Whether records may join: nothing was sent of it yet, and the last one fitted.
    pub(super) open: bool,
    /// When it is sent though it is not full.
    pub(super) due: Instant,
    /// When it fails.
    pub(super) expires: Instant,
    /// Its numbers, from the first try on: a retry must carry the same.
    pub(super) producer: Option<ProducerState>,
    /// How often it was sent.
    pub(super) tries: u32,
    /// Whether a try may have had an effect that nobody heard of.
    pub(super) maybe_written: bool,
    /// What came of the last try.
    pub(super) setback: Option<Setback>,
}

impl Batch {
    /// Whether it is not worth waiting for more records.
    pub(super) fn is_full(&self, batch_size: usize) -> bool {
        !self.open || self.builder.size_in_bytes() >= batch_size
    }

    pub(super) fn record_count(&self) -> i32 {
        i32::try_from(self.builder.record_count()).unwrap_or(i32::MAX)
    }
}

/// Why a partition is not sent to at once: its last try failed, or nobody leads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wait {
    pub(super) until: Instant,
    /// Who led it then. News of another leader ends the wait (KIP-951).
    pub(super) leader: Option<(BrokerId, Option<LeaderEpoch>)>,
}
