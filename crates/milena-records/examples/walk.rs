//! What a record costs: nanoseconds per record to decode a batch and walk it.
//!
//! `cargo run --release -p milena-records --example walk [-- PART-OF-A-LINE]`

// A benchmark measures time; the ban is for the library.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use milena_records::{
    Batch, BatchBuilder, Compression, Compressor, DecodedBatch, Decompressor, Header, NewRecord, walk_headers,
};

fn main() {
    println!("batches of about 64 KiB; best of {ROUNDS} rounds, ns per record");
    for (name, value_bytes, headers) in
        [("100 B", 80, 0), ("100 B, 2 headers", 80, 2), ("1 KiB", 1000, 0), ("10 B", 1, 0)]
    {
        let batch = build(Compression::None, value_bytes, headers);
        let count = batch.record_count().unwrap_or(0) as usize;
        let mut decompressor = Decompressor::new();
        let decoded = batch.decode(&mut decompressor).expect("sound");
        print(name, "walk", count, || touch(&decoded));
        print(name, "crc and walk", count, || touch(&batch.decode(&mut decompressor).expect("sound")));
        print(name, "walk, owned", count, || {
            decoded.owned_records().map(|record| record.expect("sound").offset() as usize).sum()
        });
        print(name, "header walk, per batch", 1, || walk_headers(batch.bytes()).expect("sound").batches);
    }
    for codec in Compression::ALL.into_iter().filter(|codec| codec.is_available()).skip(1) {
        let batch = build(codec, 80, 0);
        let count = batch.record_count().unwrap_or(0) as usize;
        let mut decompressor = Decompressor::new();
        let decode = || touch(&batch.decode(&mut decompressor).expect("sound"));
        print("100 B", &format!("{codec}, all of it"), count, decode);
    }
}

/// Out of line, so that every line of the table measures the same code. Looks at what every application looks at.
#[inline(never)]
fn touch(batch: &DecodedBatch) -> usize {
    let mut sum = 0;
    for record in batch.records() {
        let record = record.expect("sound");
        sum += record.offset() as usize
            + record.value().map_or(0, <[u8]>::len)
            + record.key().map_or(0, <[u8]>::len);
    }
    sum
}

fn build(codec: Compression, value_bytes: usize, headers: usize) -> Batch {
    let mut builder = BatchBuilder::new(codec);
    let header = Header::new("content-type", Some(b"application/json"));
    let headers = vec![header; headers];
    let mut random = 1_u64;
    let mut next = 0_u64;
    while builder.size_in_bytes() < 64 * 1024 {
        let key = format!("key-{next:08}");
        let value: Vec<u8> = (0..value_bytes)
            .map(|_| {
                // Words of a small alphabet: compresses about as well as JSON does.
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                b"etaoin shrdlu{}:,\"0123456789"[(random >> 59) as usize % 28]
            })
            .collect();
        let record =
            NewRecord::new(1_700_000_000_000 + next as i64).key(&key).value(&value).headers(&headers);
        builder.push(&record).expect("fits");
        next += 1;
    }
    Batch::parse(builder.build(&mut Compressor::new()).expect("builds")).expect("sound")
}

fn print(name: &str, what: &str, count: usize, mut work: impl FnMut() -> usize) {
    if std::env::args().nth(1).is_some_and(|wanted| !format!("{name}  {what}").contains(&wanted)) {
        return;
    }
    let mut best = Duration::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..REPEATS {
            black_box(work());
        }
        best = best.min(start.elapsed() / REPEATS);
    }
    println!("{name:>18}  {what:<24} {:8.2}", best.as_nanos() as f64 / count as f64);
}

const ROUNDS: u32 = 300;
const REPEATS: u32 = 10;
