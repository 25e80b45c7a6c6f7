//! The first inputs of each target, from what real brokers and producers wrote (`testdata`).

use std::fs;
use std::path::{Path, PathBuf};

use records::Batches;

use crate::target::seeds as selectors;

/// Inputs larger than this are of no use to a fuzzer.
const SEED_MAX: usize = 4 << 10;
/// Batches of one kind.
const BATCHES_MAX: usize = 3;

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "record_batch" => batches().into_iter().map(|batch| [&[0], &batch[..]].concat()).collect(),
        "record_section" => {
            let section = |batch: Vec<u8>| {
                let section = batch.get(61..).unwrap_or_default();
                // Magic 2, no codec, one record.
                [&[2, 0, 0, 1, 1, 0, 5], section].concat()
            };
            batches().into_iter().filter(|batch| batch[16] == 2 && batch[22] & 7 == 0).map(section).collect()
        }
        "codec_stream" => {
            let stream = |batch: &Vec<u8>| {
                let magic = batch[16];
                let at = if magic == 2 { 61 } else { [26, 34][usize::from(magic)] };
                let codec = if magic == 2 { batch[22] } else { batch[17] } & 7;
                (codec != 0).then(|| [&[magic, codec], batch.get(at..)?].concat().into())
            };
            batches().iter().filter_map(|batch| stream(batch).flatten()).collect()
        }
        "header_walk" => {
            let all = batches();
            all.windows(2).step_by(3).map(|two| two.concat()).chain(all.iter().cloned()).collect()
        }
        "framing" => framing(),
        _ => Vec::new(),
    };
    seeds.extend(selectors::of(target, &conversations()));
    seeds.push(Vec::new());
    // Something to begin with where everything is structured.
    seeds.push((0..=255).collect());
    seeds.push((0..1024_u32).map(|n| ((n * n) >> 3) as u8).collect());
    seeds.retain(|seed| seed.len() <= SEED_MAX);
    seeds.sort();
    seeds.dedup();
    seeds
}

/// What an ApiVersions answer looks like on the wire, and what else may come.
fn framing() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = conversations()
        .into_iter()
        .filter(|(api, ..)| *api == 18)
        .map(|(_, _, answer)| {
            let len = u32::try_from(answer.len()).expect("short");
            [&[3, 1, 2, 200], &len.to_be_bytes()[..], &answer].concat()
        })
        .collect();
    seeds.push([&[2, 3, 4], &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..]].concat());
    seeds.push(vec![1, 5, 0x15, 3, 3, 0, 2, 2, 10]);
    seeds
}

/// Answers of real brokers: API, version, and the frame without its length.
fn conversations() -> Vec<(i16, i16, Vec<u8>)> {
    let mut all = Vec::new();
    for name in ["kafka-2.1.1.tsv", "kafka-3.9.2.tsv", "kafka-4.3.1.tsv"] {
        let text = fs::read_to_string(testdata().join("wire").join(name)).expect("the recordings are there");
        for line in text.lines() {
            let mut columns = line.split('\t');
            let mut column = || columns.next().expect("four columns");
            let (api, version) = (column().parse().expect("a number"), column().parse().expect("a number"));
            column();
            all.push((api, version, unhex(column())));
        }
    }
    all
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// Small batches out of each log.
fn batches() -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = fs::read_dir(testdata().join("segments"))
        .expect("the segments are there")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let log = fs::read(file).expect("it is readable").into();
        let small = Batches::new(log).map_while(Result::ok).filter(|batch| batch.size_in_bytes() <= 600);
        all.extend(small.take(BATCHES_MAX).map(|batch| batch.bytes().to_vec()));
    }
    all
}
