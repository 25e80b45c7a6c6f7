//! What is written by us is read back as it was: batches of magic 2, message sets of magic 0 and 1, in every codec.

use bytes::Bytes;
use proto::group::consumer_protocol::{Assignment, Subscription};
use proto::types::{Generation, TopicPartition};
use records::{
    BatchBuilder, Batches, Compressor, Decompressor, Header, LegacyBuilder, NewRecord, OwnedRecord,
    ProducerState,
};

use super::codecs::codec;
use crate::take::Take;

pub(super) fn all(input: &[u8]) {
    let mut take = Take::new(input);
    match take.u8() % 4 {
        0 => subscription(&mut take),
        kind => batch(&mut take, kind as i8 - 1),
    }
}

struct Planned {
    offset: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn optional(take: &mut Take<'_>, max: usize) -> Option<Vec<u8>> {
    take.bool().then(|| take.bytes(max).to_vec())
}

fn batch(take: &mut Take<'_>, magic: i8) {
    let codec = codec(take, magic);
    let base_offset = take.number().clamp(0, i64::MAX - (1 << 20));
    let append_time = take.bool().then(|| take.number());
    let mut planned = Vec::new();
    let mut offset = base_offset - 1;
    for _ in 0..=take.below(20) {
        offset += 1 + take.below(3) as i64;
        planned.push(Planned {
            offset,
            timestamp: take.number(),
            key: optional(take, 100),
            value: optional(take, 5000),
            headers: (0..take.below(3)).map(|_| (take.bytes(20).to_vec(), optional(take, 20))).collect(),
        });
    }
    // The first of a batch is its base.
    let shift = planned[0].offset - base_offset;
    for record in &mut planned {
        record.offset -= shift;
    }
    let mut compressor = Compressor::new();
    let written = if magic == 2 {
        let mut builder = BatchBuilder::new(codec);
        builder.base_offset(base_offset);
        if take.bool() {
            builder.producer(ProducerState { producer_id: 5, producer_epoch: 3, base_sequence: 9 });
        }
        for record in &planned {
            let headers: Vec<_> =
                record.headers.iter().map(|(key, value)| Header::new(key, value.as_deref())).collect();
            let delta = i32::try_from(record.offset - base_offset).expect("a few");
            builder.push_at(delta, &new(record).headers(&headers)).expect("deltas rise");
        }
        append_time.map(|time| builder.log_append_time(time));
        builder.build(&mut compressor)
    } else {
        let mut builder =
            if magic == 0 { LegacyBuilder::magic0(codec) } else { LegacyBuilder::magic1(codec) };
        builder.base_offset(base_offset);
        for record in &planned {
            builder.push_at(record.offset - base_offset, &new(record));
        }
        append_time.map(|time| builder.log_append_time(time));
        builder.build(&mut compressor)
    };
    let read = read(written.expect("it fits"));
    assert_eq!(read.len(), planned.len());
    for (read, planned) in read.iter().zip(&planned) {
        assert_eq!(read.offset(), planned.offset);
        assert_eq!(read.key(), planned.key.as_deref());
        assert_eq!(read.value(), planned.value.as_deref());
        if magic > 0 {
            assert_eq!(read.timestamp(), append_time.unwrap_or(planned.timestamp));
        }
        if magic == 2 {
            let headers: Vec<_> = read
                .headers()
                .map(|header| (header.key_bytes().to_vec(), header.value().map(<[u8]>::to_vec)))
                .collect();
            assert_eq!(headers, planned.headers);
        }
    }
}

fn new(record: &Planned) -> NewRecord<'_> {
    NewRecord::new(record.timestamp).maybe_key(record.key.as_deref()).maybe_value(record.value.as_deref())
}

fn read(log: Bytes) -> Vec<OwnedRecord> {
    let mut decompressor = Decompressor::new();
    let batches = Batches::new(log).map(|batch| batch.expect("a batch of ours"));
    let decoded = batches.map(|batch| batch.decode(&mut decompressor).expect("it decodes"));
    let records = decoded.flat_map(|batch| batch.owned_records().collect::<Vec<_>>());
    records.map(|record| record.expect("a record of ours")).collect()
}

fn subscription(take: &mut Take<'_>) {
    let partitions = |take: &mut Take<'_>| -> Vec<TopicPartition> {
        let mut all: Vec<_> =
            (0..take.below(9)).map(|_| TopicPartition::new(take.text(9), take.number32())).collect();
        all.sort();
        all
    };
    let mut topics: Vec<_> = (0..take.below(9)).map(|_| take.text(9).into()).collect();
    topics.sort();
    let subscription = Subscription {
        topics,
        user_data: take.bool().then(|| Bytes::copy_from_slice(take.bytes(99))),
        owned_partitions: partitions(take),
        generation: take.bool().then(|| Generation(take.number32().max(0))),
        rack: take.bool().then(|| take.text(9)).filter(|rack| !rack.is_empty()),
    };
    assert_eq!(Subscription::decode(subscription.encode(3)), Ok(subscription));
    let assignment = Assignment {
        partitions: partitions(take),
        user_data: take.bool().then(|| Bytes::copy_from_slice(take.bytes(99))),
    };
    assert_eq!(Assignment::decode(assignment.encode(3)), Ok(assignment));
}
