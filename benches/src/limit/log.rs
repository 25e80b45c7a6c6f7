//! The log of a partition: a block of batches that repeats.

use records::{BatchBuilder, BuildError, Compression, Compressor, DecodeError, NewRecord, patch};

use crate::limit::content::Content;
use crate::limit::options::Options;

/// Batches of a block: at 64 KiB each about as much as a partition is asked for at a time.
const BATCHES: usize = 16;

/// When the first record was written; each later one has one more.
const FIRST_TIMESTAMP: i64 = 1_763_000_000_000;

/// What a log is made of. Each connection has a copy, because it patches the offsets.
#[derive(Debug, Clone)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where each batch begins: its byte and its first record. One more at the end, for where the block does.
    starts: Vec<(usize, i64)>,
}

/// A partition's log: blocks, one after the other, up to the end of a batch.
#[derive(Debug, Clone)]
pub(super) struct Log {
    block: Block,
    end: i64,
    bytes: u64,
}

impl Log {
    /// Builds the batches of a partition.
    pub(super) fn build(options: &Options, partition: usize) -> Result<Self, BuildError> {
        let block = Block::build(options, partition as u64 + 1)?;
        let wanted = i64::try_from(options.records / options.partitions.max(1) as u64).unwrap_or(i64::MAX);
        let (blocks, rest) = (wanted / block.records(), wanted % block.records());
        // Up to the end of the batch that holds the last record.
        let last = block.starts.partition_point(|(_, first)| *first < rest);
        let (bytes, first) = block.starts[last];
        Ok(Self {
            end: blocks * block.records() + first,
            bytes: blocks as u64 * block.bytes.len() as u64 + bytes as u64,
            block,
        })
    }

    /// The offset after the last record.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// Bytes of the whole log.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn block(&self) -> &Block {
        &self.block
    }

    /// Which batches to send to somebody who asks from `offset` on and has room for so many bytes. With `at_least_one`, the
    /// first is sent whatever its size (KIP-74); with `cut`, the last may be cut off.
    pub(super) fn read(&self, offset: i64, room: usize, at_least_one: bool, cut: bool) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut room = room;
        let (mut base, mut first) = self.block.locate(offset);
        let mut owes_one = at_least_one;
        while base + self.block.starts[first].1 < self.end {
            let begin = self.block.starts[first].0;
            let mut past = first;
            while past < BATCHES && base + self.block.starts[past].1 < self.end {
                if self.block.starts[past + 1].0 - begin > room && !owes_one {
                    break;
                }
                owes_one = false;
                past += 1;
            }
            let mut bytes = self.block.starts[past].0 - begin;
            let is_full = past < BATCHES && base + self.block.starts[past].1 < self.end;
            if cut && is_full && bytes < room {
                // As much of the next batch as there is room for.
                past += 1;
                bytes = room;
            }
            if bytes > 0 {
                runs.push(Run { base, first, past, bytes });
            }
            room = room.saturating_sub(bytes);
            if is_full {
                break;
            }
            base += self.block.records();
            first = 0;
        }
        runs
    }
}

/// Batches that lie one after the other in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The offset of the block's first record.
    base: i64,
    first: usize,
    past: usize,
    /// How many of their bytes are sent.
    pub(super) bytes: usize,
}

impl Block {
    fn build(options: &Options, seed: u64) -> Result<Self, BuildError> {
        let mut content = Content::new(seed);
        let mut compressor = Compressor::new();
        let mut raw_bytes = options.batch_bytes;
        if options.codec != Compression::None {
            // How far this content is compressed: from one batch that is as large as that.
            let (trial, _) = batch(options, &mut content, &mut compressor, raw_bytes, 0)?;
            raw_bytes = raw_bytes * raw_bytes / trial.len().max(1);
            let (trial, _) = batch(options, &mut content, &mut compressor, raw_bytes, 0)?;
            raw_bytes = raw_bytes * options.batch_bytes / trial.len().max(1);
            content = Content::new(seed);
        }
        let mut block = Self { bytes: Vec::new(), starts: vec![(0, 0)] };
        for _ in 0..BATCHES {
            let (bytes, records) = batch(options, &mut content, &mut compressor, raw_bytes, block.records())?;
            block.bytes.extend_from_slice(&bytes);
            block.starts.push((block.bytes.len(), block.records() + records));
        }
        Ok(block)
    }

    pub(super) fn bytes(&self) -> bytes::Bytes {
        bytes::Bytes::copy_from_slice(&self.bytes)
    }

    fn records(&self) -> i64 {
        self.starts.last().map_or(0, |(_, records)| *records)
    }

    /// The block that holds an offset, by the offset of its first record, and the batch in it.
    fn locate(&self, offset: i64) -> (i64, usize) {
        let offset = offset.max(0);
        let within = offset % self.records();
        (offset - within, self.starts.partition_point(|(_, first)| *first <= within) - 1)
    }

    /// Says where in the log the batches of a run are, and hands out their bytes.
    pub(super) fn place(&mut self, run: Run) -> Result<&[u8], DecodeError> {
        for batch in run.first..run.past {
            let (bytes, first) = (self.starts[batch].0..self.starts[batch + 1].0, self.starts[batch].1);
            patch::place(&mut self.bytes[bytes], run.base + first, LEADER_EPOCH)?;
        }
        let begin = self.starts[run.first].0;
        Ok(&self.bytes[begin..begin + run.bytes])
    }
}

/// A batch of about so many bytes before it is compressed, and how many records are in it.
fn batch(
    options: &Options,
    content: &mut Content,
    compressor: &mut Compressor,
    raw_bytes: usize,
    first: i64,
) -> Result<(bytes::Bytes, i64), BuildError> {
    let mut builder = BatchBuilder::new(options.codec);
    loop {
        let timestamp = FIRST_TIMESTAMP + first + builder.record_count() as i64;
        let (key, value) = content.next(options.record_bytes);
        let record = NewRecord::new(timestamp).key(key).value(value);
        if !builder.is_empty() && builder.size_in_bytes() + record.size_max() > raw_bytes {
            break;
        }
        builder.push(&record)?;
    }
    Ok((builder.build(compressor)?, builder.record_count() as i64))
}

/// Of every partition, for ever.
pub(super) const LEADER_EPOCH: i32 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use records::{Batches, Decompressor};

    fn log(codec: Compression, records: u64) -> Log {
        let options = Options {
            codec,
            records,
            batch_bytes: 4096,
            record_bytes: 60,
            partitions: 1,
            ..Options::default()
        };
        Log::build(&options, 0).unwrap()
    }

    /// Reads a log as a client does: (offsets seen, bytes received).
    fn read_through(log: &Log, room: usize, cut: bool) -> (Vec<i64>, u64) {
        let (mut block, mut decompressor) = (log.block().clone(), Decompressor::new());
        let (mut seen, mut received, mut next) = (Vec::new(), 0, 0);
        while next < log.end() {
            let mut bytes = Vec::new();
            for run in log.read(next, room, true, cut) {
                bytes.extend_from_slice(block.place(run).unwrap());
            }
            received += bytes.len() as u64;
            for batch in Batches::new(bytes.into()) {
                let batch = batch.unwrap();
                for record in batch.decode(&mut decompressor).unwrap().records() {
                    let offset = record.unwrap().offset();
                    if offset >= next {
                        seen.push(offset);
                    }
                }
                next = batch.next_offset();
            }
        }
        (seen, received)
    }

    #[test]
    fn a_log_is_read_without_a_gap_to_its_end() {
        for codec in [Compression::None, Compression::Lz4, Compression::Zstd] {
            let log = log(codec, 20_000);
            assert!((20_000..21_000).contains(&log.end()), "ends at {}", log.end());
            for room in [1, 5_000, 100_000, 1 << 20] {
                let (seen, received) = read_through(&log, room, false);
                assert!(seen.iter().copied().eq(0..log.end()), "{codec}, room for {room}");
                assert_eq!(received, log.bytes());
            }
        }
    }

    #[test]
    fn a_cut_answer_is_as_long_as_the_room_is() {
        let log = log(Compression::None, 20_000);
        let runs = log.read(0, 10_000, true, true);
        assert_eq!(runs.iter().map(|run| run.bytes).sum::<usize>(), 10_000);
        let (seen, received) = read_through(&log, 10_000, true);
        assert!(seen.iter().copied().eq(0..log.end()));
        assert!(received > log.bytes());
    }

    #[test]
    fn without_room_only_the_first_partition_gets_a_batch() {
        let log = log(Compression::None, 20_000);
        assert!(log.read(0, 100, false, false).is_empty());
        assert_eq!(log.read(0, 100, true, false).len(), 1);
        assert!(log.read(log.end(), 1 << 20, true, false).is_empty());
    }

    #[test]
    fn batches_are_as_large_as_they_were_meant_to_be() {
        for codec in [Compression::None, Compression::Lz4, Compression::Zstd] {
            let options = Options { codec, ..Options::default() };
            let block = Block::build(&options, 1).unwrap();
            let mean = block.bytes.len() / BATCHES;
            assert!((60_000..68_000).contains(&mean), "{codec}: {mean} bytes");
        }
    }
}
