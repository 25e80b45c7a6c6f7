//! Steering while it streams: pause, resume, seek; assignments as a stream, and a stream for each partition.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use milena_source::{AssignmentChange, Batch, FenceReason, PartitionStream, Start, Until};

use super::*;

fn fill(cluster: &Cluster, topic: &str, partitions: i32, batches: usize) {
    for partition in 0..partitions {
        for batch in 0..batches {
            cluster.append(topic, partition, [format!("{batch}")]).unwrap();
        }
    }
}

fn from_the_start(cluster: &Cluster) -> SourceBuilder {
    on(cluster).property("auto.offset.reset", "earliest")
}

async fn next(
    stream: &mut (impl futures_util::Stream<Item = milena_source::Result<Batch>> + Unpin),
) -> Batch {
    within("a batch", stream.next()).await.expect("it goes on").expect("a batch")
}

async fn open(streams: &mut milena_source::PartitionStreams) -> PartitionStream {
    within("a partition", streams.next()).await.expect("it goes on").expect("a partition")
}

/// Long enough for whatever is going to come to have come.
async fn nothing_comes(
    batches: &mut (impl futures_util::Stream<Item = milena_source::Result<Batch>> + Unpin),
) {
    let come = tokio::time::timeout(Duration::from_secs(60), batches.next()).await;
    assert!(come.is_err(), "{come:?}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_partition_is_not_handed_out_and_goes_on_where_it_was() {
    let cluster = three().topic("t", 2).start_in_memory().unwrap();
    fill(&cluster, "t", 2, 4);
    let source = from_the_start(&cluster).group("g").topics(["t"]).build().await.unwrap();
    let mut batches = source.batches();
    let first = next(&mut batches).await;
    first.ack();
    let (paused, other) = (first.partition().clone(), tp("t", 1 - first.partition().partition));
    source.pause([&paused]);
    // What it has fetched and opened already is held, too.
    assert_eq!(read(&mut batches, 4).await, BTreeMap::from([(other.clone(), vec![0, 1, 2, 3])]));
    nothing_comes(&mut batches).await;
    assert!(source.status().iter().any(|status| status.partition == paused && status.is_paused));
    source.resume([&paused]);
    assert_eq!(read(&mut batches, 3).await, BTreeMap::from([(paused.clone(), vec![1, 2, 3])]));
    // A pause survives a seek, and a seek of a paused partition is no way around the pause.
    source.pause([&paused]);
    source.seek(paused.clone(), Start::Offset(2)).await.unwrap();
    nothing_comes(&mut batches).await;
    source.resume([&paused]);
    assert_eq!(read(&mut batches, 2).await, BTreeMap::from([(paused, vec![2, 3])]));
    source.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!((cluster.committed("g", "t", 0), cluster.committed("g", "t", 1)), (Some(4), Some(4)));
}

#[tokio::test(start_paused = true)]
async fn a_seek_in_the_middle_of_a_stream_fences_what_was_read_before() {
    let cluster = three().topic("t", 1).start_in_memory().unwrap();
    fill(&cluster, "t", 1, 6);
    let source = from_the_start(&cluster).group("g").topics(["t"]).build().await.unwrap();
    let mut batches = source.batches();
    let (zero, one) = (next(&mut batches).await, next(&mut batches).await);
    zero.ack();
    source.commit().await.unwrap();
    source.seek(tp("t", 0), Start::Offset(4)).await.unwrap();
    assert_eq!(one.lease().fenced(), Some(FenceReason::Seek));
    assert!(one.ack().is_fenced());
    assert_eq!(read(&mut batches, 2).await, BTreeMap::from([(tp("t", 0), vec![4, 5])]));
    // Back as well: the first commit after it may be lower.
    source.seek(tp("t", 0), Start::Earliest).await.unwrap();
    assert_eq!(read(&mut batches, 3).await, BTreeMap::from([(tp("t", 0), vec![0, 1, 2])]));
    source.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!(cluster.committed("g", "t", 0), Some(3));
}

#[tokio::test(start_paused = true)]
async fn assignments_come_as_a_stream() {
    let cluster = three().topic("t", 2).start_in_memory().unwrap();
    let join = || from_the_start(&cluster).group("g").topics(["t"]).build();
    let one = join().await.unwrap();
    let mut changes = one.assignments();
    let all = BTreeSet::from([tp("t", 0), tp("t", 1)]);
    let mut seen = Vec::new();
    let mut change = async |wanted: usize| {
        within("a change", async {
            loop {
                let change: AssignmentChange = changes.next().await.expect("it goes on");
                seen.push(change.clone());
                if change.assignment.len() == wanted {
                    return change;
                }
            }
        })
        .await
    };
    assert_eq!(change(2).await.assignment, all);
    let two = join().await.unwrap();
    let share = change(1).await;
    assert_eq!(share.assignment.len(), 1);
    two.drain(Duration::from_secs(5)).await.unwrap();
    let again = change(2).await;
    assert!(!again.added.is_empty() && again.assignment == all);
    one.drain(Duration::from_secs(5)).await.unwrap();
    let last = change(0).await;
    assert_eq!(last.removed, all);
    // What was added and removed is what the assignment became, at every step.
    let mut assignment = BTreeSet::new();
    for change in &seen {
        assignment = assignment.difference(&change.removed).cloned().collect();
        assignment.extend(change.added.iter().cloned());
        assert_eq!(assignment, change.assignment);
    }
    assert_eq!(within("the end", changes.next()).await, None);
    // One that comes late sees the end as well.
    assert_eq!(one.assignments().collect::<Vec<_>>().now_or_never().map(|changes| changes.len()), Some(1));
}

#[tokio::test(start_paused = true)]
async fn every_partition_has_a_stream_of_its_own() {
    let cluster = three().topic("t", 3).start_in_memory().unwrap();
    fill(&cluster, "t", 3, 5);
    let source = from_the_start(&cluster).group("g").topics(["t"]).build().await.unwrap();
    let mut streams = source.partitions();
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let mut stream = open(&mut streams).await;
        let partition = stream.partition().clone();
        tasks.push((
            partition.clone(),
            tokio::spawn(async move {
                let mut offsets = Vec::new();
                while let Some(batch) = stream.next().await {
                    let batch = batch.unwrap();
                    assert_eq!(*batch.partition(), partition);
                    offsets.push(batch.offsets().start);
                    batch.ack();
                }
                offsets
            }),
        ));
    }
    assert!(streams.next().now_or_never().is_none());
    until("the end", || source.lag().values().filter(|lag| lag.records == 0).count() == 3).await;
    source.drain(Duration::from_secs(5)).await.unwrap();
    assert!(within("the end", streams.next()).await.is_none());
    for (partition, task) in tasks {
        assert_eq!(task.await.unwrap(), [0, 1, 2, 3, 4], "{partition}");
        assert_eq!(cluster.committed("g", "t", partition.partition), Some(5));
    }
    // There is one reader, of whatever kind.
    assert!(source.batches().next().await.unwrap().is_err());
    assert!(source.partitions().next().await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_slow_partition_stops_no_other() {
    let cluster = three().topic("t", 2).start_in_memory().unwrap();
    let value = vec![b'v'; 10_000];
    for partition in 0..2 {
        for _ in 0..200 {
            cluster.append("t", partition, [&value]).unwrap();
        }
    }
    // The partitions together hold sixteen times the budget.
    let source = from_the_start(&cluster)
        .partitions([("t", 0), ("t", 1)])
        .property("max.partition.fetch.bytes", 20_000)
        .budget_bytes(256 << 10);
    let source = source.build().await.unwrap();
    let mut streams = source.partitions();
    let (mut slow, mut fast) = (open(&mut streams).await, open(&mut streams).await);
    let first = next(&mut slow).await;
    for offset in 0..200 {
        assert_eq!(next(&mut fast).await.offsets().start, offset);
    }
    drop(first);
    // It goes on as if nothing had been, when somebody comes for it.
    for offset in 1..200 {
        assert_eq!(next(&mut slow).await.offsets().start, offset);
    }
    let counters = source.counters();
    assert!(counters.budget_peak <= 256 << 10, "{counters:?}");
    assert_eq!(counters.stale_chunks, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_assignment_and_what_it_gave_is_committed_first() {
    let cluster = three().topic("t", 2).start_in_memory().unwrap();
    fill(&cluster, "t", 2, 3);
    let join = || from_the_start(&cluster).group("g").topics(["t"]).build();
    let one = join().await.unwrap();
    let mut streams = one.partitions();
    let mut ours = vec![open(&mut streams).await, open(&mut streams).await];
    let mut held = Vec::new();
    for stream in &mut ours {
        for _ in 0..2 {
            held.push(next(stream).await);
        }
    }
    let two = join().await.unwrap();
    until("the revocation", || one.status().iter().any(|status| status.is_draining)).await;
    // Nothing more comes of what is being given up; the third batch waits in vain for its reader.
    let given_up: Vec<_> = one.status().into_iter().filter(|status| status.is_draining).collect();
    for status in &given_up {
        let stream = ours.iter_mut().find(|stream| *stream.partition() == status.partition).unwrap();
        assert!(within("the end", stream.next()).await.is_none());
    }
    assert_eq!(cluster.committed("g", "t", given_up[0].partition.partition), None);
    for batch in held.drain(..) {
        batch.ack();
    }
    let mut theirs = two.partitions();
    let mut moved = open(&mut theirs).await;
    let number = moved.partition().partition;
    assert_eq!(cluster.committed("g", "t", number), Some(2));
    assert_eq!(next(&mut moved).await.offsets().start, 2, "nothing is repeated, nothing left out");
    // Assigned again, a partition has a new stream, and the old one stays at its end.
    two.drain(Duration::from_secs(1)).await.unwrap_err();
    let again = within("the partition", async {
        loop {
            let stream = open(&mut streams).await;
            if stream.partition().partition == number {
                return stream;
            }
        }
    });
    let mut again = again.await;
    assert_eq!(next(&mut again).await.offsets().start, 2, "the other one did not acknowledge it");
    let old = ours.iter_mut().find(|stream| stream.partition().partition == number).unwrap();
    assert!(within("the end", old.next()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_seek_does_not_end_a_partitions_stream() {
    let cluster = three().topic("t", 1).start_in_memory().unwrap();
    fill(&cluster, "t", 1, 6);
    let source = from_the_start(&cluster).group("g").topics(["t"]).build().await.unwrap();
    let mut streams = source.partitions();
    let mut stream = open(&mut streams).await;
    let before = next(&mut stream).await;
    source.seek(tp("t", 0), Start::Offset(4)).await.unwrap();
    assert!(before.ack().is_fenced());
    for offset in [4, 5] {
        let batch = next(&mut stream).await;
        assert_eq!(batch.offsets().start, offset);
        batch.ack();
    }
    source.seek(tp("t", 0), Start::Offset(1)).await.unwrap();
    assert_eq!(next(&mut stream).await.offsets().start, 1);
    assert!(streams.next().now_or_never().is_none(), "it is the same assignment");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_dropped_lets_go_of_its_partition() {
    let cluster = three().topic("t", 2).start_in_memory().unwrap();
    fill(&cluster, "t", 2, 3);
    let source = from_the_start(&cluster).group("g").topics(["t"]).build().await.unwrap();
    let mut streams = source.partitions();
    let (mut dropped, mut other) = (open(&mut streams).await, open(&mut streams).await);
    let batch = next(&mut dropped).await;
    let partition = dropped.partition().clone();
    drop(dropped);
    let status = || source.status().into_iter().find(|status| status.partition == partition).unwrap();
    assert!(status().is_paused);
    assert_eq!(status().buffered_bytes, 0);
    for _ in 0..3 {
        next(&mut other).await.ack();
    }
    // What it gave can still be acknowledged, and is committed.
    batch.ack();
    source.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!(cluster.committed("g", "t", partition.partition), Some(1));
    drop((batch, other, streams));
    // What was being fetched takes its time to come back.
    until("all memory", || source.counters().budget_used == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_bounded_read_of_partitions_ends() {
    let cluster = three().topic("t", 3).start_in_memory().unwrap();
    fill(&cluster, "t", 2, 4);
    let source = from_the_start(&cluster).topics(["t"]).until(Until::Latest).build().await.unwrap();
    // Not part of the read.
    fill(&cluster, "t", 3, 1);
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let read = source.partitions().for_each_concurrent(None, |stream| {
        let count = counted.clone();
        async move {
            let records = stream.unwrap().into_records();
            count.fetch_add(records.map(Result::unwrap).count().await, Ordering::Relaxed);
        }
    });
    within("the end", read).await;
    assert_eq!(count.load(Ordering::Relaxed), 8);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_partition_comes_in_its_own_stream() {
    let cluster = three().topic("t", 2).start_in_memory().unwrap();
    fill(&cluster, "t", 2, 2);
    let source = on(&cluster).property("auto.offset.reset", "none");
    let starts = [("t", 0, Start::Earliest), ("t", 1, Start::Offset(99))];
    let source = source.partitions_from(starts).build().await.unwrap();
    let mut streams = source.partitions();
    let (mut good, mut bad) = (open(&mut streams).await, open(&mut streams).await);
    let error = within("an error", bad.next()).await.unwrap().unwrap_err();
    assert_eq!(error.topic_partition(), Some(tp("t", 1)));
    assert_eq!(next(&mut good).await.offsets().start, 0);
    assert!(streams.next().now_or_never().is_none());
    source.seek(tp("t", 1), Start::Offset(1)).await.unwrap();
    assert_eq!(next(&mut bad).await.offsets().start, 1);
}
