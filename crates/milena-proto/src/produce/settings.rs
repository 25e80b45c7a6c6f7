//! What a producer is told once.

use std::time::Duration;

use records::Compression;

/// How records are batched, sent and tried again.
#[derive(Clone, Debug)]
pub struct ProduceSettings {
    /// -1 all replicas in sync, 1 the leader alone. Never 0, which has no answers.
    pub acks: i16,
    /// Whether batches are numbered, so that a broker knows a second copy.
    pub idempotence: bool,
    /// The codec.
    pub compression: Compression,
    /// How long a batch that is not full waits for more records.
    pub linger: Duration,
    /// Bytes at which a batch is full, before compression.
    pub batch_size: usize,
    /// Bytes of the batches of one request, before compression; also the largest record.
    pub max_request_size: usize,
    /// From a batch's first record to its outcome, at most.
    pub delivery_timeout: Duration,
    /// How long a leader may wait for its followers.
    pub request_timeout: Duration,
    /// How often a batch is sent again.
    pub retries: u32,
    /// Requests under way to one broker.
    pub max_in_flight: usize,
    /// First pause before a batch is sent again.
    pub retry_backoff: Duration,
    /// Longest such pause.
    pub retry_backoff_max: Duration,
    /// Scatters the pauses, and where keyless records begin.
    pub seed: u64,
}
