//! `milena dump` on segments of real logs, and on damaged ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

fn segments() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/segments")
}

/// The files with this ending, in order.
fn named(ending: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(segments()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.to_str().unwrap().ends_with(ending)).collect();
    files.sort();
    assert!(files.len() > 100 || ending != ".log", "the segments are not there");
    files
}

fn dump(args: &[&str], file: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milena"));
    command.arg("dump").args(args).arg(file).env_remove("MILENA_LOG").output().unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    let text = std::str::from_utf8(&output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes bytes to a file that is gone after the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("milena-dump-{}-{name}.log", std::process::id()));
        fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Java's reading under read_uncommitted is beside each segment, in the same format: line for line the same, but for the
/// topic, which no segment knows.
#[test]
fn every_segment_reads_as_java_reads_it() {
    let mut compared = 0;
    for log in named(".log") {
        let stem = log.file_stem().unwrap().to_str().unwrap().to_owned();
        let output = dump(&["--format", "jsonl"], &log);
        assert!(output.status.success(), "{stem}: {}", err(&output));
        assert_eq!(err(&output), "", "{stem}");
        let wanted = fs::read_to_string(log.with_extension("jsonl")).unwrap();
        let ours = String::from_utf8(output.stdout).unwrap();
        for (ours, javas) in ours.lines().zip(wanted.lines()) {
            let (_, rest) = javas.split_once(",\"partition\"").unwrap();
            let javas = format!("{{\"topic\":\"\",\"partition\"{rest}");
            assert_eq!(ours, javas, "{stem}");
        }
        assert_eq!(ours.lines().count(), wanted.lines().count(), "{stem}");
        compared += 1;
    }
    assert!(compared > 100, "{compared}");
}

/// The batches of every segment: counts add up to its records, and positions to its size.
#[test]
fn the_batches_of_every_segment_add_up() {
    for log in named(".log") {
        let output = dump(&["--batches", "--format", "jsonl"], &log);
        assert!(output.status.success(), "{}: {}", log.display(), err(&output));
        let batches = objects(&output);
        let mut position = 0;
        let mut next_offset = 0;
        let mut records = 0;
        for batch in &batches {
            let number = |name: &str| batch[name].as_i64().unwrap_or_else(|| panic!("{name} of {batch}"));
            assert_eq!(number("position"), position);
            assert!(number("base_offset") >= next_offset, "{batch}");
            assert!(number("last_offset") >= number("base_offset"), "{batch}");
            assert_eq!(batch["crc_ok"], true);
            assert_eq!(batch["leader_epoch"].is_null(), number("magic") < 2, "{batch}");
            position += number("size");
            next_offset = number("last_offset") + 1;
            records += if batch["control"] == true { 0 } else { number("count") };
        }
        assert_eq!(position as u64, fs::metadata(&log).unwrap().len());
        let wanted = fs::read_to_string(log.with_extension("jsonl")).unwrap().lines().count();
        assert_eq!(records as usize, wanted, "{}", log.display());
    }
}

#[test]
fn control_records_show_when_asked_for() {
    let log = segments().join("java-4.3.1-none-transactions.log");
    let without = objects(&dump(&[], &log));
    let with = objects(&dump(&["--control"], &log));
    let markers: Vec<_> = with.iter().filter(|object| object.get("control").is_some()).collect();
    let said: Vec<_> = markers.iter().map(|object| object["control"].as_str().unwrap()).collect();
    assert_eq!(said, ["commit", "abort", "commit"]);
    assert_eq!(with.len(), without.len() + markers.len());
    let data: Vec<_> = with.iter().filter(|object| object.get("control").is_none()).collect();
    assert!(data.into_iter().eq(&without));
}

#[test]
fn a_batch_as_text_is_one_line_of_names_and_values() {
    let log = segments().join("java-4.3.1-none-transactions.log");
    let output = dump(&["--batches"], &log);
    let text = String::from_utf8(output.stdout).unwrap();
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("position: 0 base_offset: 0 last_offset: 2 count: 3 size: "), "{first}");
    assert!(first.contains(" codec: none crc_ok: true leader_epoch: 0 producer_id: "), "{first}");
    assert!(first.contains(" transactional: true control: false timestamp_type: create_time "), "{first}");
}

#[test]
fn text_and_raw() {
    let log = segments().join("java-4.3.1-none-plain.log");
    let text = String::from_utf8(dump(&["--format", "text", "--show", "key,offset"], &log).stdout).unwrap();
    assert_eq!(text.lines().nth(1), Some("1\tnull\tno key"));
    assert_eq!(text.lines().nth(2), Some("2\tno value\tnull"));
    let raw = String::from_utf8(dump(&["--format", "raw"], &log).stdout).unwrap();
    assert_eq!(raw.lines().nth(1), Some("no key"));
    assert_eq!(raw.lines().nth(2), Some(""));
}

#[test]
fn a_segment_comes_through_a_pipe_too() {
    let log = segments().join("java-4.3.1-zstd-batches.log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_milena"));
    let child = child.args(["dump", "-"]).stdin(Stdio::from(fs::File::open(&log).unwrap())).output().unwrap();
    assert_eq!(child.stdout, dump(&[], &log).stdout);
    assert!(!child.stdout.is_empty());
}

#[test]
fn a_cut_off_end_is_said_and_no_failure() {
    let log = fs::read(segments().join("java-4.3.1-gzip-batches.log")).unwrap();
    let whole =
        objects(&dump(&["--batches", "--format", "jsonl"], &segments().join("java-4.3.1-gzip-batches.log")));
    let last = whole.last().unwrap()["position"].as_u64().unwrap();
    let scratch = Scratch::new("cut", &log[..log.len() - 1]);
    let output = dump(&[], &scratch.0);
    assert!(output.status.success());
    let have = log.len() as u64 - 1 - last;
    let wanted = format!("position {last}: the last batch is cut off: {have} bytes of {}\n", have + 1);
    assert!(err(&output).ends_with(&wanted), "{}", err(&output));
    assert!(err(&output).starts_with("milena: "), "{}", err(&output));
    let offset = whole.last().unwrap()["base_offset"].as_i64().unwrap();
    assert_eq!(objects(&output).last().unwrap()["offset"], json!(offset - 1));
}

#[test]
fn a_damaged_batch_is_an_error_that_says_where_and_what_came_before_is_printed() {
    let file = segments().join("java-4.3.1-none-batches.log");
    let batches = objects(&dump(&["--batches", "--format", "jsonl"], &file));
    let (position, offset) = (&batches[2]["position"], &batches[2]["base_offset"]);
    let mut log = fs::read(&file).unwrap();
    log[position.as_u64().unwrap() as usize + 70] ^= 1;
    let scratch = Scratch::new("damaged", &log);

    let output = dump(&[], &scratch.0);
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    let place =
        format!("milena: {}: position {position}: batch at offset {offset}: checksum", scratch.0.display());
    assert!(said.starts_with(&place), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(objects(&output).len() as u64, offset.as_u64().unwrap());

    // Batch by batch it goes on: the header still says where the next one begins.
    let output = dump(&["--batches", "--format", "jsonl"], &scratch.0);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).ends_with("the checksum of one batch is wrong\n"), "{}", err(&output));
    let flags: Vec<_> = objects(&output).iter().map(|batch| batch["crc_ok"].as_bool().unwrap()).collect();
    assert_eq!(flags.len(), batches.len());
    assert_eq!(flags.iter().position(|ok| !ok), Some(2));
}

#[test]
fn what_is_no_segment() {
    let scratch = Scratch::new("text", b"This is a letter, and not a log of letters, as everybody can see.");
    let output = dump(&[], &scratch.0);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("position 0: "), "{}", err(&output));

    let output = dump(&[], Path::new("/no/such/file"));
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).starts_with("milena: /no/such/file: "), "{}", err(&output));
    assert_eq!(dump(&["--batches", "--control"], Path::new("x")).status.code(), Some(2));
}

#[test]
fn nothing_is_said_when_the_reader_has_gone() {
    let log = fs::read(segments().join("java-4.3.1-none-batches.log")).unwrap();
    let scratch = Scratch::new("pipe", &log);
    let mut child = Command::new(env!("CARGO_BIN_EXE_milena"));
    let mut child =
        child.arg("dump").arg(&scratch.0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()));
}
