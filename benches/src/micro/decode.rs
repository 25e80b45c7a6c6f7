//! From the bytes of a batch to its records.

use bytes::Bytes;
use records::{Batch, Batches, Compression, DecodedBatch, Decompressor, walk_headers};

use crate::limit::{self, Options};
use crate::micro::{Bench, look};

pub(super) fn run(bench: &mut Bench<'_>) {
    for (size, record_bytes) in [("100 B", 100), ("1 KiB", 1024)] {
        let (bytes, batches) = batches(record_bytes, Compression::None);
        bench.time(format!("header walk, {size}"), batches.len(), "batch", 0, || look(walk_headers(&bytes)));
        let mut decompressor = Decompressor::new();
        let decoded: Vec<DecodedBatch> =
            batches.iter().filter_map(|batch| batch.decode(&mut decompressor).ok()).collect();
        let records = count(&batches);
        bench.time(format!("record walk, {size}"), records, "record", 0, || {
            decoded.iter().for_each(|batch| look(touch(batch)));
        });
        bench.time(format!("owned records, {size}"), records, "record", 0, || {
            for record in decoded.iter().flat_map(|batch| batch.owned_records()) {
                look(record.is_ok_and(|record| record.offset() >= 0));
            }
        });
        for codec in Compression::ALL {
            let (_, batches) = self::batches(record_bytes, codec);
            let records = count(&batches);
            // What comes out; what goes in is less.
            let raw = records * record_bytes;
            bench.time(format!("decode and walk, {size}, {codec}"), records, "record", raw, || {
                for batch in &batches {
                    if let Ok(decoded) = batch.decode(&mut decompressor) {
                        look(touch(&decoded));
                    }
                }
            });
        }
    }
}

/// A block of the limit server's.
fn batches(record_bytes: usize, codec: Compression) -> (Bytes, Vec<Batch>) {
    let options = Options { record_bytes, codec, partitions: 1, ..Options::default() };
    let bytes = limit::block(&options).unwrap_or_default();
    let batches = Batches::new(bytes.clone()).filter_map(Result::ok).collect();
    (bytes, batches)
}

fn count(batches: &[Batch]) -> usize {
    batches.iter().filter_map(|batch| batch.record_count()).map(|count| count as usize).sum()
}

/// Out of line, so that every line measures the same code. Looks at what every application looks at.
#[inline(never)]
fn touch(batch: &DecodedBatch) -> usize {
    let mut sum = 0;
    for record in batch.records().flatten() {
        sum += record.offset() as usize
            + record.timestamp() as usize
            + record.value().map_or(0, <[u8]>::len)
            + record.key().map_or(0, <[u8]>::len);
    }
    sum
}
