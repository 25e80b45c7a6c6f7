//! The bound: one thread, one connection, and nothing but what a fetch cannot do without.
//!
//! `bound BOOTSTRAP TOPIC - RECORDS PARTITIONS`. It sends a Fetch, reads its answer into a buffer that it uses again, finds the
//! next offsets by the batches' headers, sends the next Fetch, and then checks, decompresses and walks what it has. No tasks,
//! no queue, no budget, no trackers: what Milena itself costs is what it takes beside this.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::{Buf, Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{ApiKey, FetchRequest, RequestHeader, TopicName};
use kafka_protocol::protocol::{Encodable, StrBytes};
use milena_benches::tally::{Tally, Task};
use records::{Batches, Decompressor, walk_headers};

/// The last version that goes by names, so that no topic id has to be asked for.
const VERSION: i16 = 12;

fn main() -> Result<(), Box<dyn Error>> {
    let task =
        Task::from_args(&mut std::env::args().skip(1)).ok_or("bound BOOTSTRAP TOPIC - RECORDS PARTITIONS")?;
    let mut tally = Tally::new();
    let mut stream = TcpStream::connect(task.bootstrap.split(',').next().unwrap_or_default())?;
    stream.set_nodelay(true)?;
    let mut next = vec![0_i64; usize::try_from(task.partitions)?];
    let mut decompressor = Decompressor::new();
    let mut buffer = BytesMut::zeroed(5 << 20);
    let (mut received, mut turn) = (0, 0);
    stream.write_all(&request(&task, &next, turn)?)?;
    loop {
        let mut size = [0; 4];
        stream.read_exact(&mut size)?;
        let size = usize::try_from(i32::from_be_bytes(size))?;
        if buffer.len() < size {
            buffer.resize(size, 0);
        }
        stream.read_exact(&mut buffer[..size])?;
        received += size as u64 + 4;
        let whole = buffer.freeze();
        let answered = answer(whole.slice(..size))?;
        // Where this answer ends is known before any of it is decoded: the next one is on its way meanwhile.
        let mut ends = next.clone();
        for (partition, records) in &answered {
            if let Some(end) = walk_headers(records)?.next_offset {
                ends[*partition] = end;
            }
        }
        turn += 1;
        stream.write_all(&request(&task, &ends, turn)?)?;
        for (partition, records) in answered {
            for batch in Batches::new(records) {
                for record in batch?.decode(&mut decompressor)?.records() {
                    let record = record?;
                    if record.offset() >= next[partition] {
                        tally.record(record.offset(), record.timestamp(), record.key(), record.value());
                    }
                }
            }
        }
        next = ends;
        if tally.records() >= task.records {
            break;
        }
        buffer = whole.try_into_mut().unwrap_or_else(|_| BytesMut::zeroed(5 << 20));
    }
    println!("{}", tally.finish(Some(received)));
    Ok(())
}

/// A Fetch without a session, a MiB of each partition; they take turns at the front.
fn request(task: &Task, next: &[i64], turn: usize) -> Result<BytesMut, Box<dyn Error>> {
    let partition = |place: usize| {
        let partition = (place + turn) % next.len();
        FetchPartition::default()
            .with_partition(partition as i32)
            .with_fetch_offset(next[partition])
            .with_partition_max_bytes(1 << 20)
    };
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_string(task.topic.clone())))
        .with_partitions((0..next.len()).map(partition).collect());
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(500)
        .with_min_bytes(1)
        .with_max_bytes(50 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    let header =
        RequestHeader::default().with_request_api_key(ApiKey::Fetch as i16).with_request_api_version(VERSION);
    let mut out = BytesMut::new();
    out.extend_from_slice(&[0; 4]);
    header.encode(&mut out, 2)?;
    request.encode(&mut out, VERSION)?;
    let size = i32::try_from(out.len() - 4)?;
    out[..4].copy_from_slice(&size.to_be_bytes());
    Ok(out)
}

/// The partitions of an answer and their records, as slices of it.
fn answer(mut frame: Bytes) -> Result<Vec<(usize, Bytes)>, Box<dyn Error>> {
    let mut answered = Vec::new();
    // Correlation id, tagged fields, throttle time, error, session id.
    frame.advance(4 + 1 + 4 + 2 + 4);
    for _ in 0..count(&mut frame)? {
        let name = count(&mut frame)?;
        frame.advance(name);
        for _ in 0..count(&mut frame)? {
            let partition = usize::try_from(frame.get_i32())?;
            let error = frame.get_i16();
            if error != 0 {
                return Err(format!("partition {partition} has error {error}").into());
            }
            // High watermark, last stable offset, log start offset.
            frame.advance(24);
            if count(&mut frame)? > 0 {
                return Err("aborted transactions in a topic without any".into());
            }
            frame.advance(4);
            let length = count(&mut frame)?;
            answered.push((partition, frame.split_to(length)));
            frame.advance(1);
        }
        frame.advance(1);
    }
    Ok(answered)
}

/// A length of a flexible version: one more than it is, and 0 for null.
fn count(frame: &mut Bytes) -> Result<usize, Box<dyn Error>> {
    let (mut value, mut shift) = (0_usize, 0);
    loop {
        let byte = frame.get_u8();
        value |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value.saturating_sub(1));
        }
        shift += 7;
        if shift > 28 {
            return Err("a length of more than five bytes".into());
        }
    }
}
