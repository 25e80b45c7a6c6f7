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
