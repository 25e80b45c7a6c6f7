//! KIP-126: a batch that is too large for its topic becomes two.

use std::collections::VecDeque;
use std::sync::Arc;

use records::{Batch as Sealed, BatchBuilder, Compressor, Decompressor, Header, NewRecord};

use super::{Accumulator, Numbering};
use crate::produce::ProduceEvent;
use crate::produce::batch::Batch;
use crate::types::TopicPartition;

impl Accumulator {
    /// Cuts the first batch of a partition in the middle. False if it has only one record.
    ///
    /// Its numbers are burnt: the halves are new batches to the broker.
    pub(super) fn split(&mut self, tp: &TopicPartition) -> bool {
        let Some(batch) = self.queues.get(tp).and_then(|queue| queue.batches.front()) else { return false };
        let at = batch.builder.record_count() / 2;
        if at == 0 {
            return false;
        }
        let Some((head, tail)) = halves(&batch.builder, at) else { return false };
        let rest = self.next_batch_id();
        let Some(queue) = self.queues.get_mut(tp) else { return false };
        let Some(whole) = queue.batches.pop_front() else { return false };
        if whole.producer.is_some() && !queue.sequence.bump() {
            self.numbering = Numbering::Wanted { not_before: None, last: None };
        }
        let half = |id, builder| Batch {
            id,
            builder: Arc::new(builder),
            open: false,
            producer: None,
            tries: 0,
            ..whole.clone()
        };
        let (id, root) = (whole.id, whole.root);
        put_first(&mut queue.batches, half(id, head), half(rest, tail));
        self.outstanding.insert((root, rest));
        self.events.push_back(ProduceEvent::Split { batch: id, at, rest });
        true
    }
}

fn put_first(batches: &mut VecDeque<Batch>, first: Batch, second: Batch) {
    batches.push_front(second);
    batches.push_front(first);
}

/// Reads the records back and writes them into two builders. It happens to a batch once in a topic's life, if at all.
fn halves(builder: &BatchBuilder, at: usize) -> Option<(BatchBuilder, BatchBuilder)> {
    let sealed = Sealed::parse(builder.build(&mut Compressor::new()).ok()?).ok()?;
    let decoded = sealed.decode(&mut Decompressor::new()).ok()?;
    let mut head = BatchBuilder::new(builder.compression());
    let mut tail = BatchBuilder::new(builder.compression());
    for (index, record) in decoded.records().enumerate() {
        let record = record.ok()?;
        let headers: Vec<Header<'_>> = record.headers().collect();
        let copy = NewRecord::new(record.timestamp())
            .maybe_key(record.key())
            .maybe_value(record.value())
            .headers(&headers);
        if index < at { head.push(&copy) } else { tail.push(&copy) }.ok()?;
    }
    Some((head, tail))
}
