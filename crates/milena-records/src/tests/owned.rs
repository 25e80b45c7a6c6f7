//! Records that outlive their batch: what they share, what they pin, what they copy.

use std::sync::Arc;

use bytes::Bytes;

use super::batch_of;
use crate::*;

fn with_headers() -> DecodedBatch {
    let mut builder = BatchBuilder::new(Compression::None);
    let headers = [Header::new("a", Some(b"1")), Header::new("a", None), Header::new(b"\xff", Some(b""))];
    builder.push(&NewRecord::new(1).key("key").value("value").headers(&headers)).unwrap();
    builder.push(&NewRecord::new(2).headers(&headers[1..2])).unwrap();
    builder.push(&NewRecord::new(3).key("").value("")).unwrap();
    builder.push(&NewRecord::new(4)).unwrap();
    let batch = builder.build(&mut Compressor::new()).unwrap();
    Batch::parse(batch).unwrap().decode(&mut Decompressor::new()).unwrap()
}

#[test]
fn shared_and_detached_records_say_the_same_as_the_borrowed_one() {
    let batch = with_headers();
    for record in batch.records() {
        let record = record.unwrap();
        for owned in
            [record.into_owned(), record.detach(), record.into_owned().detach(), record.detach().detach()]
        {
            assert_eq!(owned.as_record(), record);
            assert_eq!(owned.key_bytes().as_deref(), record.key());
            assert_eq!(owned.value_bytes().as_deref(), record.value());
            assert_eq!(owned.headers().len(), record.headers().len());
            assert_eq!((owned.offset(), owned.timestamp()), (record.offset(), record.timestamp()));
        }
    }
    assert_eq!(batch.owned_records().count(), 4);
}

/// A walk that is stopped after each record and resumed, and records that are put aside as places, say the same.
fn says_the_same_piece_by_piece(batch: &DecodedBatch) {
    let whole: Vec<_> = batch.records().map(|record| record.unwrap()).collect();
    let mut walk = batch.records().stop();
    let mut places = Vec::new();
    loop {
        let mut records = batch.resume(walk);
        assert_eq!(records.size_hint().1, Some(whole.len() - places.len()));
        let Some(record) = records.next() else { break };
        places.push(RecordPlace::of(&record.unwrap()).unwrap());
        walk = records.stop();
    }
    let again: Vec<_> = places.iter().map(|place| place.record(batch)).collect();
    assert_eq!(again, whole);
    assert_eq!(
        places.iter().map(RecordPlace::offset).collect::<Vec<_>>(),
        whole.iter().map(|record| record.offset()).collect::<Vec<_>>()
    );
}

#[test]
fn a_walk_can_be_stopped_and_resumed() {
    says_the_same_piece_by_piece(&with_headers());
    for codec in Compression::ALL.into_iter().filter(|codec| codec.is_available()) {
        let batch = Batch::parse(batch_of(100, codec).into()).unwrap();
        says_the_same_piece_by_piece(&batch.decode(&mut Decompressor::new()).unwrap());
    }
    let mut builder = LegacyBuilder::magic1(Compression::None);
    builder.push(&NewRecord::new(1).key("key").value("value")).push(&NewRecord::new(2));
    for batch in Batches::new(builder.build(&mut Compressor::new()).unwrap()) {
        says_the_same_piece_by_piece(&batch.unwrap().decode(&mut Decompressor::new()).unwrap());
    }
}

/// Who mixes batches up reads nonsense, or an error, and no byte that is not the batch's.
#[test]
fn the_walk_and_the_places_of_another_batch_do_no_harm() {
    let (small, large) = (with_headers(), batch_of(100, Compression::None));
    let large = Batch::parse(large.into()).unwrap().decode(&mut Decompressor::new()).unwrap();
    let mut records = large.records();
    while let Some(record) = records.next() {
        let _ = RecordPlace::of(&record.unwrap()).unwrap().record(&small).headers().count();
        let _ = small.resume(records.clone().stop()).count();
    }
    let mut records = small.records();
    while records.next().is_some() {
        let _ = large.resume(records.clone().stop()).count();
    }
}

#[test]
fn headers_keep_order_repetition_nulls_and_bytes_that_are_no_text() {
    let batch = with_headers();
    let record = batch.records().next().unwrap().unwrap();
    let headers: Vec<_> = record.headers().collect();
    assert_eq!(
        headers.iter().map(|header| header.key_bytes()).collect::<Vec<_>>(),
        [b"a", b"a", &b"\xff"[..]]
    );
    assert_eq!(
        headers.iter().map(|header| header.value()).collect::<Vec<_>>(),
        [Some(&b"1"[..]), None, Some(b"")]
    );
    let mut left = record.headers();
    left.next();
    assert_eq!((left.len(), left.count(), record.headers().len()), (2, 2, 3));
    assert_eq!(headers[0].key(), Ok("a"));
    assert!(headers[2].key().is_err());
    assert_eq!(record.headers().find_last("a"), Some(headers[1]));
    assert_eq!(record.headers().find_last("b"), None);
    assert_eq!(format!("{:?}", headers[2]), r"\xff=Some([])");
}

#[test]
fn a_shared_record_is_a_slice_of_the_answer_and_a_detached_one_is_not() {
    let answer = Bytes::from(batch_of(3, Compression::None));
    let range = answer.as_ptr_range();
    let decoded = Batch::parse(answer.clone()).unwrap().decode(&mut Decompressor::new()).unwrap();
    let shared = decoded.owned_records().next().unwrap().unwrap();
    assert!(range.contains(&shared.value().unwrap().as_ptr()));
    assert!(!range.contains(&shared.detach().value().unwrap().as_ptr()));
}

#[test]
fn a_record_keeps_the_guard_of_its_buffer_and_a_detached_one_lets_it_go() {
    let Some(codec) = Compression::ALL.into_iter().skip(1).find(|codec| codec.is_available()) else { return };
    let credit = Arc::new(());
    let mut charged = 0;
    let batch = Batch::parse(batch_of(10, codec).into()).unwrap();
    let mut decompressor = Decompressor::new();
    let decoded = batch
        .decode_with(&mut decompressor, |bytes| {
            charged = bytes;
            Arc::clone(&credit)
        })
        .unwrap();
    assert!(charged > 0);
    assert_eq!(charged, decoded.owned_bytes());
    let kept = decoded.records().nth(3).unwrap().unwrap().into_owned();
    drop(decoded);
    assert_eq!((Arc::strong_count(&credit), decompressor.idle_bytes()), (2, 0));
    let detached = kept.detach();
    drop(kept);
    assert_eq!((Arc::strong_count(&credit), decompressor.idle_bytes()), (1, charged));
    assert_eq!(detached.value(), Some(&b"v3"[..]));
}

#[test]
fn an_uncompressed_batch_takes_no_memory_and_is_not_charged() {
    let batch = Batch::parse(batch_of(10, Compression::None).into()).unwrap();
    let decoded = batch.decode_with(&mut Decompressor::new(), |_| panic!("charged")).unwrap();
    assert_eq!(decoded.owned_bytes(), 0);
    assert_eq!(decoded.records().count(), 10);
}

#[test]
fn what_is_handed_out_can_go_to_other_threads() {
    fn is<T: Send + Sync + Clone + 'static>() {}
    is::<Batch>();
    is::<DecodedBatch>();
    is::<OwnedRecord>();
    fn moves<T: Send>() {}
    moves::<Decompressor>();
    moves::<Compressor>();
    moves::<Records<'_>>();
}
