//! How far behind a reader is, without asking anybody.

use std::time::{SystemTime, UNIX_EPOCH};

use client::records::{BatchBuilder, Compression, NewRecord, ProducerState};
use milena_source::config::IsolationLevel;
use testkit::ApiKey;

use super::*;

const HOUR_MS: i64 = 3_600_000;

fn wall_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// A batch of records that were written so many hours ago, each an hour after the one before.
fn written(hours_ago: i64, records: i64) -> BatchBuilder {
    let mut batch = BatchBuilder::new(Compression::None);
    for record in 0..records {
        let timestamp = wall_ms() - (hours_ago - record) * HOUR_MS;
        batch.push(&NewRecord::new(timestamp).value("v")).unwrap();
    }
    batch
}

fn lag(source: &Source) -> Option<(u64, Option<u64>)> {
    let lag = source.lag().get(&tp("t", 0)).copied()?;
    Some((lag.records, lag.time.map(|time| time.as_secs() / 3600)))
}

#[tokio::test(start_paused = true)]
async fn lag_is_told_in_records_and_in_time_and_nobody_is_asked_for_it() {
    let cluster = three().topic("t", 1).start_in_memory().unwrap();
    for hours_ago in [50, 40, 30] {
        cluster.append_batch("t", 0, &written(hours_ago, 2)).unwrap();
    }
    let source =
        on(&cluster).partitions([("t", 0)]).property("auto.offset.reset", "earliest").build().await.unwrap();
    let mut batches = source.batches();
    // Fetched and not read: it is known how old the first of it is.
    until("a fetch", || lag(&source) == Some((6, Some(50)))).await;
    read(&mut batches, 2).await;
    assert_eq!(lag(&source), Some((4, Some(40))), "what is next, not what was last");
    read(&mut batches, 2).await;
    assert_eq!(lag(&source), Some((2, Some(30))));
    read(&mut batches, 2).await;
    assert_eq!(lag(&source), Some((0, Some(0))), "at the end nothing is late, however old it is");
    // What is not fetched, because the partition is paused, was written after what was read last.
    source.pause([&tp("t", 0)]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let asked = cluster.requests().of(ApiKey::ListOffsets).count();
    cluster.append_batch("t", 0, &written(5, 1)).unwrap();
    source.resume([&tp("t", 0)]);
    until("news", || lag(&source) == Some((1, Some(5)))).await;
    read(&mut batches, 1).await;
    assert_eq!(source.status()[0].lag, source.lag().remove(&tp("t", 0)));
    assert_eq!(cluster.requests().of(ApiKey::ListOffsets).count(), asked);
    assert!(asked <= 1, "only where to begin was asked");
}

#[tokio::test(start_paused = true)]
async fn what_an_open_transaction_holds_back_is_no_lag_to_those_who_wait_for_it() {
    for (isolation, wanted) in [(IsolationLevel::ReadUncommitted, 3), (IsolationLevel::ReadCommitted, 1)] {
        let cluster = three().topic("t", 1).start_in_memory().unwrap();
        cluster.append_batch("t", 0, &written(9, 1)).unwrap();
        let mut open = written(8, 2);
        let producer = ProducerState { producer_id: 7, producer_epoch: 0, base_sequence: 0 };
        open.producer(producer).transactional(true);
        cluster.append_batch("t", 0, &open).unwrap();
        let source = on(&cluster).partitions([("t", 0)]).isolation(isolation);
        let source = source.property("auto.offset.reset", "earliest").build().await.unwrap();
        let mut batches = source.batches();
        until("a fetch", || lag(&source).is_some_and(|(records, _)| records == wanted)).await;
        read(&mut batches, wanted as usize).await;
        assert_eq!(lag(&source), Some((0, Some(0))));
    }
}
