//! Segments of real logs, written by many producers on many brokers, are read as Java read them.
//!
//! `testdata/segments/README.md` says who wrote what. Nothing here knows a record: the expectation is Java's own output.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use milena_records::{
    AbortedTxn, Batch, Batches, Compression, ControlMarker, Decompressor, Record, TimestampType, TxnFilter,
    Verdict,
};

/// The segment files whose codecs this build can read.
fn segments() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/segments");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the segments are in the tree")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let left_out =
                |codec: &Compression| !codec.is_available() && name.contains(&format!("-{codec}-"));
            !Compression::ALL.iter().any(left_out)
        })
        .collect();
    paths.sort();
    // Nothing is left out by mistake: 40 are not compressed at all, 146 there are in all.
    let least = if Compression::ALL.iter().all(|codec| codec.is_available()) { 146 } else { 40 };
    assert!(paths.len() >= least, "only {} segments", paths.len());
    paths
}

fn batches(path: &Path) -> Vec<Batch> {
    let mut batches = Batches::new(Bytes::from(std::fs::read(path).expect("readable")));
    let all: Result<Vec<_>, _> = batches.by_ref().collect();
    assert_eq!(batches.partial(), None, "{path:?}");
    all.unwrap_or_else(|error| panic!("{path:?}: {error}"))
}

/// What the filter lets through, line by line as Java's reading is written down.
fn lines(path: &Path, batches: &[Batch], mut filter: TxnFilter, decompressor: &mut Decompressor) -> String {
    let topic = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut out = String::new();
    for batch in batches {
        let decoded = batch.decode(decompressor).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        decoded.validate().unwrap_or_else(|error| panic!("{path:?}: {error}"));
        if filter.judge(batch, decompressor).expect("sound markers") != Verdict::Deliver {
            continue;
        }
        for record in decoded.records() {
            write_line(&mut out, &topic, batch, &record.expect("validated"));
        }
    }
    out
}

fn write_line(out: &mut String, topic: &str, batch: &Batch, record: &Record<'_>) {
    let timestamp_type = match record.timestamp_type() {
        TimestampType::None => "none",
        TimestampType::CreateTime => "create_time",
        TimestampType::LogAppendTime => "log_append_time",
    };
    let epoch = batch.leader_epoch().map_or("null".into(), |epoch| epoch.to_string());
    let headers: Vec<_> = record
        .headers()
        .map(|header| {
            // As Java does it; the bytes themselves are in `key_bytes`.
            let name = String::from_utf8_lossy(header.key_bytes()).into_owned();
            format!("{{\"key\":{},\"value\":{}}}", quoted(&name), base64(header.value()))
        })
        .collect();
    writeln!(
        out,
        "{{\"topic\":\"{topic}\",\"partition\":0,\"offset\":{},\"timestamp\":{},\"timestamp_type\":\"{timestamp_type}\",\
         \"leader_epoch\":{epoch},\"key\":{},\"value\":{},\"headers\":[{}]}}",
        record.offset(),
        record.timestamp(),
        base64(record.key()),
        base64(record.value()),
        headers.join(","),
    )
    .expect("strings grow");
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\0'..' ' => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            _ => out.push(letter),
        }
    }
    out + "\""
}

fn base64(bytes: Option<&[u8]>) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let Some(bytes) = bytes else { return "null".into() };
    let mut out = String::from("\"");
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter = ALPHABET[(word >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out + "\""
}

fn expect(path: &Path, extension: &str, read: &str) {
    let expected =
        std::fs::read_to_string(path.with_extension(extension)).expect("Java's reading is beside it");
    for (index, (read, expected)) in read.lines().zip(expected.lines()).enumerate() {
        assert_eq!(replaced_once(read), replaced_once(expected), "{path:?}, line {}", index + 1);
    }
    assert_eq!(read.lines().count(), expected.lines().count(), "{path:?}");
}

/// How many replacement characters a broken sequence gives is not the same in Java and in Rust.
fn replaced_once(line: &str) -> String {
    let mut line = line.to_string();
    while line.contains("\u{fffd}\u{fffd}") {
        line = line.replace("\u{fffd}\u{fffd}", "\u{fffd}");
    }
    line
}

#[test]
fn every_segment_is_read_as_java_read_it() {
    let mut decompressor = Decompressor::new();
    for path in segments() {
        let read = lines(&path, &batches(&path), TxnFilter::read_uncommitted(), &mut decompressor);
        expect(&path, "jsonl", &read);
    }
}

#[test]
fn committed_records_are_those_that_java_was_given() {
    let mut decompressor = Decompressor::new();
    let mut differing = 0;
    for path in segments() {
        let all = batches(&path);
        let (aborted, last_stable_offset) = broker(&all, &mut decompressor);
        let stable: Vec<_> =
            all.into_iter().filter(|batch| batch.last_offset() < last_stable_offset).collect();
        let read = lines(&path, &stable, TxnFilter::read_committed(aborted), &mut decompressor);
        // Java's reading is written down a second time only where it differs.
        let differs = path.with_extension("committed.jsonl").exists();
        differing += usize::from(differs);
        expect(&path, if differs { "committed.jsonl" } else { "jsonl" }, &read);
    }
    assert!(differing >= 4, "{differing} segments with transactions");
}

/// What a broker would say beside these batches: its aborted transactions and the last stable offset.
fn broker(batches: &[Batch], decompressor: &mut Decompressor) -> (Vec<AbortedTxn>, i64) {
    let mut open = BTreeMap::new();
    let mut aborted = Vec::new();
    for batch in batches {
        let producer_id = batch.producer_id();
        if !batch.is_control() {
            if batch.is_transactional() {
                open.entry(producer_id).or_insert(batch.base_offset());
            }
            continue;
        }
        let decoded = batch.decode(decompressor).expect("sound");
        let marker = decoded.control_marker().expect("sound");
        let started = open.remove(&producer_id);
        if let (Some(ControlMarker::Abort { .. }), Some(first_offset)) = (marker, started) {
            aborted.push(AbortedTxn { producer_id, first_offset });
        }
    }
    aborted.reverse();
    (aborted, open.values().copied().min().unwrap_or(i64::MAX))
}

/// Cut anywhere, a segment is a shorter segment.
#[test]
fn a_segment_that_ends_early_has_the_same_first_batches() {
    for path in segments().into_iter().step_by(9) {
        let bytes = std::fs::read(&path).expect("readable");
        let whole: Vec<_> = batches(&path).iter().map(|batch| batch.size_in_bytes()).collect();
        for end in (0..bytes.len().min(4000)).step_by(7) {
            let mut batches = Batches::new(Bytes::copy_from_slice(&bytes[..end]));
            let sizes: Vec<_> = batches.by_ref().map(|batch| batch.expect("sound").size_in_bytes()).collect();
            assert!(whole.starts_with(&sizes));
            assert_eq!(
                sizes.iter().sum::<usize>() + batches.partial().map_or(0, |partial| partial.have),
                end
            );
        }
    }
}
