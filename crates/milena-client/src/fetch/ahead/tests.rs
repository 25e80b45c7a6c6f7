use std::future::poll_fn;

use proto::assignments::Assignments;
use proto::fetch::Fetched;
use proto::types::{Generation, TopicId, TopicPartition};
use records::{BatchBuilder, Compression, Compressor, NewRecord};
use tokio::sync::Notify;

use super::*;
use crate::fetch::LogEnds;
use crate::fetch::queue::Queue;
use crate::fetch::reader::{Read, Reader};
use crate::lease::Tenure;

const BUDGET: usize = 64 << 20;

/// One partition, the queue it is read from, and how it is decoded.
struct Bench {
    assignments: Assignments,
    partition: TopicPartition,
    lease: Lease,
    queue: Arc<Queue>,
    reader: Reader,
    budget: Budget,
}

impl Bench {
    fn new(threads: usize) -> Self {
        Self::with_budget(threads, BUDGET)
    }

    fn with_budget(threads: usize, bytes: usize) -> Self {
        let partition = TopicPartition::new("t", 0);
        let mut assignments = Assignments::new();
        let stamp = assignments.assign(partition.clone(), TopicId::default(), Generation(1));
        let lease = Lease::new(stamp, Tenure::new(1), false, Arc::new(Notify::new()));
        lease.begin_at(0);
        let budget = Budget::new(bytes);
        let queue = Arc::new(Queue::new(
            budget.clone(),
            Ahead::new(threads, Decompressor::DEFAULT_LIMIT, budget.clone()),
        ));
        let reader = Reader::new(queue.clone(), budget.clone());
        Self { assignments, partition, lease, queue, reader, budget }
    }

    fn push(&self, from: i64, batches: &[Vec<u8>]) -> i64 {
        let records = bytes::Bytes::from(batches.concat());
        let walk = records::walk_headers(&records).unwrap();
        let end = walk.next_offset.unwrap_or(from);
        let fetched = Fetched {
            from,
            next_offset: end,
            leader_epoch: None,
            records,
            next_batch_bytes: None,
            batches: walk.batches,
            compressed_bytes: walk.compressed_bytes,
            aborted: Vec::new(),
            log: proto::fetch::LogEnds::default(),
        };
        self.queue.push(vec![Chunk::new(self.lease.clone(), fetched, false, LogEnds::default())]);
        end
    }

    /// The values read until the queue is closed, and where a batch could not be.
    async fn read_all(&mut self) -> (Vec<(i64, Vec<u8>)>, Option<i64>) {
        let mut read = Vec::new();
        self.queue.close();
        while let Some(item) = poll_fn(|cx| self.reader.poll_read(cx)).await {
            match item.unwrap() {
                Read::Batch(batch) => {
                    for record in batch.records() {
                        let record = record.unwrap();
                        read.push((record.offset(), record.value().unwrap().to_vec()));
                    }
                }
                Read::Corrupt { offset, .. } => return (read, Some(offset)),
            }
        }
        (read, None)
    }

    fn ahead_bytes(&self) -> usize {
        self.queue.ahead.lock().ahead_bytes
    }

    /// Waits until no thread decodes.
    async fn settled(&self) {
        while self.queue.ahead.lock().threads > 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Batches of `count` records of `size` bytes that compression halves at best.
fn batches(from: i64, compressions: &[Compression], count: usize, size: usize) -> Vec<Vec<u8>> {
    let mut noise = 1_u64;
    let mut value = vec![0; size];
    let mut next = from;
    compressions
        .iter()
        .map(|compression| {
            let mut builder = BatchBuilder::new(*compression);
            builder.base_offset(next);
            for _ in 0..count {
                for byte in value.iter_mut().step_by(2) {
                    noise =
                        noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    *byte = (noise >> 56) as u8;
                }
                builder.push(&NewRecord::new(7).value(&value)).unwrap();
            }
            next += count as i64;
            builder.build(&mut Compressor::new()).unwrap().to_vec()
        })
        .collect()
}

const MIXED: [Compression; 8] = [
    Compression::Lz4,
    Compression::Lz4,
    Compression::None,
    Compression::Zstd,
    Compression::Gzip,
    Compression::None,
    Compression::Snappy,
    Compression::Lz4,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_does_not_depend_on_who_decodes() {
    // From many batches in a run to batches that the reading task leaves to the threads.
    for (count, size) in [(1, 10), (20, 100), (100, 1000), (100, 10_000)] {
        let first = batches(0, &MIXED, count, size);
        let next = count as i64 * MIXED.len() as i64;
        let second = batches(next, &[Compression::Lz4; 9], count, size);
        let mut reads = Vec::new();
        for threads in [0, 1, 3] {
            let mut bench = Bench::new(threads);
            assert_eq!(bench.push(0, &first), next);
            bench.push(next, &second);
            let (read, corrupt) = bench.read_all().await;
            assert_eq!((read.len(), corrupt), (count * 17, None), "{threads} threads");
            bench.settled().await;
            assert_eq!((bench.ahead_bytes(), bench.budget.used()), (0, 0), "{threads} threads");
            reads.push(read);
        }
        assert!(reads.iter().all(|read| *read == reads[0]), "{count} records of {size} bytes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_cannot_be_decoded_is_told_of_where_it_stands() {
    for at in [0, 3, 7] {
        let mut log = batches(0, &[Compression::Lz4; 8], 100, 1000);
        let middle = log[at].len() / 2;
        log[at][middle] ^= 1;
        for threads in [0, 2] {
            let mut bench = Bench::new(threads);
            bench.push(0, &log);
            let (read, corrupt) = bench.read_all().await;
            assert_eq!((read.len(), corrupt), (at * 100, Some(at as i64 * 100)), "{threads} threads");
            bench.settled().await;
            assert_eq!(bench.ahead_bytes(), 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_stop_a_window_ahead_of_the_reader() {
    let mut bench = Bench::new(2);
    let log = batches(0, &[Compression::Lz4; 100], 100, 1000);
    bench.push(0, &log);
    bench.settled().await;
    let (window, batch) = (bench.queue.ahead.window_bytes(), log[0].len() * EXPECTED_RATIO);
    let ahead = bench.ahead_bytes();
    assert!(ahead >= window && ahead < window + 3 * batch, "{ahead} of {window}");
    // Once it reads on, so do they.
    let (read, _) = bench.read_all().await;
    assert_eq!(read.len(), 10_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_decoded_ahead_without_budget() {
    let mut bench = Bench::with_budget(2, 100_000);
    bench.push(0, &batches(0, &[Compression::Lz4; 20], 100, 1000));
    bench.settled().await;
    assert_eq!((bench.ahead_bytes(), bench.budget.peak()), (0, 0));
    // The reader itself goes on: one batch at a time.
    let (read, _) = bench.read_all().await;
    assert_eq!(read.len(), 2000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_revoked_takes_no_room() {
    let mut bench = Bench::new(2);
    bench.push(0, &batches(0, &[Compression::Lz4; 40], 100, 1000));
    bench.settled().await;
    assert!(bench.ahead_bytes() > 0);
    bench.assignments.begin_revoke(&bench.partition);
    bench.queue.sweep();
    bench.settled().await;
    assert_eq!((bench.ahead_bytes(), bench.budget.used()), (0, 0));
    assert_eq!(bench.read_all().await, (Vec::new(), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_paused_leaves_the_room_to_others() {
    let mut bench = Bench::new(2);
    bench.push(0, &batches(0, &[Compression::Lz4; 400], 100, 100));
    bench.settled().await;
    // One run is open, others are decoded.
    let first = poll_fn(|cx| bench.reader.poll_read(cx)).await.unwrap().unwrap();
    assert!(matches!(&first, Read::Batch(batch) if batch.last_offset() == 99));
    bench.lease.set_paused(true);
    let waker = Waker::noop();
    assert!(bench.reader.poll_read(&mut Context::from_waker(waker)).is_pending());
    bench.settled().await;
    assert_eq!(bench.ahead_bytes(), 0);
    bench.lease.set_paused(false);
    let (read, _) = bench.read_all().await;
    assert_eq!(read.len(), 39_900);
}

#[tokio::test]
async fn a_run_whose_thread_gives_up_is_decoded_by_the_reader() {
    let mut bench = Bench::new(1);
    bench.push(0, &batches(0, &[Compression::Lz4], 100, 1000));
    let claim = bench.queue.ahead.claim(&mut bench.queue.ahead.lock(), Decoder::Thread).unwrap();
    let mut read = Box::pin(bench.read_all());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(read.as_mut().poll(&mut cx).is_pending());
    drop(claim);
    assert_eq!(read.await.0.len(), 100);
}

#[test]
fn without_a_runtime_the_reader_decodes() {
    assert_eq!(Ahead::new(4, Decompressor::DEFAULT_LIMIT, Budget::new(1)).0.threads_max, 0);
}
