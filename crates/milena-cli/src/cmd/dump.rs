//! `milena dump`: what is in a segment of a log, without a broker.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use records::{Batch, ControlMarker, DecodeError, DecodedBatch, Decompressor};

use crate::args::DumpArgs;
use crate::failure::Failure;
use crate::log;
use crate::output::batches::BatchLine;
use crate::output::{Format, Lines, Sink, push_string};
use crate::segment::{Next, Segment, SegmentError};

/// Prints a segment.
///
/// # Errors
/// The file cannot be read, or holds what is no batch: that is after everything before it was printed.
pub(crate) fn run(args: DumpArgs) -> Result<(), Failure> {
    let mut sink = Sink::stdout().map_err(Failure::writing)?;
    let outcome = dump(&args, &mut sink);
    match sink.flush() {
        Err(error) if outcome.is_ok() => Err(Failure::writing(error)),
        _ => outcome,
    }
}

fn dump(args: &DumpArgs, sink: &mut Sink) -> Result<(), Failure> {
    let name = &Named(&args.file);
    let mut segment = Segment::new(open(&args.file)?);
    let mut printer = Printer::new(args);
    loop {
        match segment.next() {
            Ok(Next::Batch(position, batch)) => {
                let printed = printer.batch(sink, position, &batch);
                printed.map_err(|failed| match failed {
                    Failed::Corrupt(error) => name.corrupt(position, &error),
                    Failed::Writing(error) => Failure::writing(error),
                })?;
            }
            Ok(Next::End) => break,
            Ok(Next::CutOff { position, have, need }) => {
                let need = need.map_or_else(|| "more".to_owned(), |need| need.to_string());
                log::say(&format!(
                    "{name}: position {position}: the last batch is cut off: {have} bytes of {need}"
                ));
                break;
            }
            Ok(Next::Zeroes { position, bytes }) => {
                log::say(&format!("{name}: position {position}: {bytes} bytes of reserved room at the end"));
                break;
            }
            Err(SegmentError::Corrupt { position, error }) => return Err(name.corrupt(position, &error)),
            Err(SegmentError::Io(error)) => return Err(Failure::runtime(format!("{name}: {error}"))),
        }
    }
    match printer.bad_checksums {
        0 => Ok(()),
        1 => Err(Failure::runtime(format!("{name}: the checksum of one batch is wrong"))),
        count => Err(Failure::runtime(format!("{name}: the checksums of {count} batches are wrong"))),
    }
}

fn open(file: &Path) -> Result<Box<dyn Read>, Failure> {
    if file == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    let opened = File::open(file).and_then(|opened| match opened.metadata()?.is_dir() {
        true => Err(io::ErrorKind::IsADirectory.into()),
        false => Ok(opened),
    });
    match opened {
        Ok(opened) => Ok(Box::new(opened)),
        Err(error) => Err(Failure::runtime(format!("{}: {error}", Named(file)))),
    }
}

/// A file as it is called in messages.
struct Named<'a>(&'a Path);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.to_str() {
            Some("-") => f.write_str("standard input"),
            _ => self.0.display().fmt(f),
        }
    }
}

impl Named<'_> {
    fn corrupt(&self, position: u64, error: &DecodeError) -> Failure {
        let DecodeError { base_offset, fault } = error;
        Failure::runtime(format!("{self}: position {position}: batch at offset {base_offset}: {fault}"))
    }
}

enum Failed {
    Corrupt(DecodeError),
    Writing(io::Error),
}

impl From<DecodeError> for Failed {
    fn from(error: DecodeError) -> Self {
        Self::Corrupt(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Writing(error)
    }
}

struct Printer {
    format: Format,
    lines: Lines,
    with_control: bool,
    by_batch: bool,
    decompressor: Decompressor,
    bad_checksums: u64,
}

impl Printer {
    fn new(args: &DumpArgs) -> Self {
        let format = args.format.unwrap_or(if args.batches { Format::Text } else { Format::Jsonl });
        Self {
            format,
            lines: Lines::new(format, args.show.clone()),
            with_control: args.control,
            by_batch: args.batches,
            decompressor: Decompressor::new().with_limit(DECOMPRESSED_MAX),
            bad_checksums: 0,
        }
    }

    fn batch(&mut self, sink: &mut Sink, position: u64, batch: &Batch) -> Result<(), Failed> {
        if self.by_batch {
            return self.header(sink, position, batch);
        }
        if batch.is_control() && !self.with_control {
            batch.verify_crc()?;
            return Ok(());
        }
        let decoded = batch.decode(&mut self.decompressor)?;
        self.records(sink, &decoded)?;
        sink.end_batch()?;
        Ok(())
    }

    fn records(&mut self, sink: &mut Sink, decoded: &DecodedBatch) -> Result<(), Failed> {
        self.lines.begin("", 0, decoded.header());
        let control = decoded.control_marker()?;
        for record in decoded.records() {
            let record = record?;
            let out = sink.buffer();
            self.lines.push(out, &record);
            if let Some(marker) = control
                && self.format == Format::Jsonl
            {
                push_marker(out, marker);
            }
            sink.end_line()?;
        }
        Ok(())
    }

    /// A wrong checksum is a fact about a batch, and its header says where the next one begins.
    fn header(&mut self, sink: &mut Sink, position: u64, batch: &Batch) -> Result<(), Failed> {
        let is_crc_ok = batch.verify_crc().is_ok();
        let is_count_known = batch.record_count().is_some();
        // Only its messages tell how many a compressed message set of magic 0 or 1 has, and where it begins.
        let decoded = match is_crc_ok && !is_count_known {
            true => Some(batch.decode(&mut self.decompressor)?),
            false => None,
        };
        let header = decoded.as_ref().map_or(batch.header(), DecodedBatch::header);
        let counted = || batch.record_count().and_then(|count| usize::try_from(count).ok());
        let count = decoded.as_ref().map(DecodedBatch::record_count).or_else(counted);
        BatchLine { position, header, count, is_crc_ok }.push(sink.buffer(), self.format);
        sink.end_line()?;
        sink.end_batch()?;
        self.bad_checksums += u64::from(!is_crc_ok);
        Ok(())
    }
}

/// Bytes that one batch may decompress to: more than any honest batch has, and what a machine can spare.
const DECOMPRESSED_MAX: usize = 256 << 20;

/// Says what a control record says, as one more key of its object.
fn push_marker(out: &mut Vec<u8>, marker: ControlMarker) {
    // The brace at the end of the object.
    out.pop();
    out.extend_from_slice(b",\"control\":");
    match marker {
        ControlMarker::Abort { .. } => push_string(out, "abort"),
        ControlMarker::Commit { .. } => push_string(out, "commit"),
        ControlMarker::Other { control_type } => push_string(out, &format!("type {control_type}")),
    }
    out.push(b'}');
}
