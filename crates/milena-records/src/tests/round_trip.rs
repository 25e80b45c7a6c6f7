//! What the builders write is what the decoder reads: every format, every codec.

use bytes::Bytes;

use crate::*;

type NamedValues = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Timestamp, key, value, headers.
type Shape = (i64, Option<Vec<u8>>, Option<Vec<u8>>, NamedValues);

/// Records with every shape of key, value and header.
fn shapes() -> Vec<Shape> {
    let text = b"the quick brown fox jumps over the lazy dog; ".repeat(40);
    vec![
        (1_700_000_000_000, Some(b"k".to_vec()), Some(b"v".to_vec()), vec![]),
        (1_700_000_000_005, None, Some(text.clone()), vec![]),
        (
            1_699_999_999_999,
            Some(vec![]),
            None,
            vec![(b"a".to_vec(), Some(b"1".to_vec())), (b"a".to_vec(), None)],
        ),
        (i64::MAX, None, None, vec![(vec![], Some(vec![])), (vec![0xff, 0xfe], Some(text.clone()))]),
        (i64::MIN, Some(text), Some(vec![0; 100_000]), vec![]),
        (-1, Some(b"end".to_vec()), Some(vec![]), vec![]),
    ]
}

fn build_v2(compression: Compression) -> Bytes {
    let mut builder = BatchBuilder::new(compression);
    builder.base_offset(40).leader_epoch(3);
    for (timestamp, key, value, headers) in &shapes() {
        let headers: Vec<_> = headers.iter().map(|(key, value)| Header::new(key, value.as_deref())).collect();
        let record = NewRecord::new(*timestamp).maybe_key(key.as_deref()).maybe_value(value.as_deref());
        builder.push(&record.headers(&headers)).unwrap();
    }
    builder.build(&mut Compressor::new()).unwrap()
}

#[test]
fn every_codec_brings_back_what_was_built() {
    let mut decompressor = Decompressor::new();
    for codec in Compression::ALL.into_iter().filter(|codec| codec.is_available()) {
        let batch = Batch::parse(build_v2(codec)).unwrap();
        assert_eq!(batch.compression(), Ok(codec));
        assert_eq!((batch.base_offset(), batch.next_offset(), batch.leader_epoch()), (40, 46, Some(3)));
        let decoded = batch.decode(&mut decompressor).unwrap();
        assert_eq!(decoded.owned_bytes() > 0, codec != Compression::None, "{codec}");
        let mut expected = shapes().into_iter().enumerate();
        for record in decoded.records() {
            let record = record.unwrap();
            let (index, (timestamp, key, value, headers)) = expected.next().unwrap();
            assert_eq!(record.offset(), 40 + index as i64);
            assert_eq!((record.timestamp(), record.timestamp_type()), (timestamp, TimestampType::CreateTime));
            assert_eq!((record.key(), record.value()), (key.as_deref(), value.as_deref()));
            let read: Vec<_> = record
                .headers()
                .map(|header| (header.key_bytes().to_vec(), header.value().map(<[u8]>::to_vec)))
                .collect();
            assert_eq!(read, headers);
        }
        assert!(expected.next().is_none(), "{codec}");
    }
}

#[test]
fn a_header_says_what_the_builder_was_told() {
    let mut builder = BatchBuilder::new(Compression::None);
    let state = ProducerState { producer_id: 1 << 40, producer_epoch: 300, base_sequence: i32::MAX };
    builder.base_offset(7).leader_epoch(9).transactional(true).producer(state);
    for timestamp in [50, 90, 70] {
        builder.push(&NewRecord::new(timestamp)).unwrap();
    }
    let size = builder.size_in_bytes();
    let bytes = builder.build(&mut Compressor::new()).unwrap();
    assert_eq!(bytes.len(), size);
    let batch = Batch::parse(bytes).unwrap();
    assert_eq!((batch.magic(), batch.timestamp_type()), (2, TimestampType::CreateTime));
    assert_eq!((batch.base_offset(), batch.last_offset(), batch.leader_epoch()), (7, 9, Some(9)));
    assert_eq!((batch.base_timestamp(), batch.max_timestamp(), batch.delete_horizon_ms()), (50, 90, None));
    assert_eq!(
        (batch.producer_id(), batch.producer_epoch(), batch.base_sequence()),
        (1 << 40, 300, i32::MAX)
    );
    assert!(batch.is_transactional() && !batch.is_control() && batch.has_producer_id());
    assert_eq!((batch.record_count(), batch.size_in_bytes(), batch.last_offset_delta()), (Some(3), size, 2));
}

#[test]
fn an_old_message_says_what_it_can() {
    let record = NewRecord::new(77).value("v");
    let old = LegacyBuilder::magic0(Compression::None).push(&record).build(&mut Compressor::new()).unwrap();
    let old = Batch::parse(old).unwrap();
    assert_eq!(
        (old.timestamp_type(), old.max_timestamp(), old.leader_epoch()),
        (TimestampType::None, -1, None)
    );
    assert!(!old.has_producer_id() && !old.is_transactional() && !old.is_control());
    let newer = LegacyBuilder::magic1(Compression::None).push(&record).build(&mut Compressor::new()).unwrap();
    let newer = Batch::parse(newer).unwrap();
    assert_eq!((newer.timestamp_type(), newer.max_timestamp()), (TimestampType::CreateTime, 77));
}

#[test]
fn a_cleared_builder_starts_anew() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.transactional(true).base_offset(5).push(&NewRecord::new(1).value("first")).unwrap();
    builder.clear();
    assert!(builder.is_empty());
    builder.push(&NewRecord::new(2).value("second")).unwrap();
    let batch = Batch::parse(builder.build(&mut Compressor::new()).unwrap()).unwrap();
    assert_eq!((batch.base_offset(), batch.is_transactional(), batch.base_timestamp()), (0, false, 2));
    assert_eq!(batch.record_count(), Some(1));
}

#[test]
fn a_delete_horizon_is_what_timestamps_count_from() {
    let mut builder = BatchBuilder::new(Compression::None);
    builder.delete_horizon_ms(500).push(&NewRecord::new(3)).unwrap();
    let batch = Batch::parse(builder.build(&mut Compressor::new()).unwrap()).unwrap();
    assert_eq!((batch.delete_horizon_ms(), batch.base_timestamp()), (Some(500), 500));
    let decoded = batch.decode(&mut Decompressor::new()).unwrap();
    assert_eq!(decoded.records().next().unwrap().unwrap().timestamp(), 3);
}

#[test]
fn offsets_of_a_builder_only_rise_and_sizes_are_upper_bounds() {
    let mut builder = BatchBuilder::new(Compression::None);
    let headers = [Header::new("name", Some(b"value")), Header::new("", None)];
    let record = NewRecord::new(i64::MIN).key("key").value("value").headers(&headers);
    assert_eq!(builder.push_at(i32::MAX - 1, &record), Ok(i32::MAX - 1));
    assert!(builder.size_in_bytes() <= 61 + record.size_max());
    for delta in [0, i32::MAX - 1] {
        let last = i64::from(i32::MAX - 1);
        assert_eq!(
            builder.push_at(delta, &record),
            Err(BuildError::OffsetOrder { delta: i64::from(delta), last })
        );
    }
    assert_eq!(builder.push(&record), Ok(i32::MAX));
    assert_eq!(builder.push(&record), Err(BuildError::TooLarge));
}
