//! What goes to standard output.

pub(crate) mod batches;
mod json;
mod jsonl;
mod reader;
mod sink;
mod table;
mod text;

pub(crate) use json::{push_i64, push_string};
pub(crate) use jsonl::{Jsonl, timestamp_type};
pub(crate) use reader::Reader;
pub(crate) use sink::Sink;
pub(crate) use table::{Table, or_dash};
pub(crate) use text::{Show, Text, push_text};

use clap::ValueEnum;
use records::{BatchHeader, Record};

/// How records are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum Format {
    /// The value as text, one line per record; see --show
    #[default]
    Text,
    /// One JSON object per record, keys, values and header values in base64
    Jsonl,
    /// The value's bytes as they are, and a newline after each
    Raw,
}

/// Writes records as lines.
#[derive(Debug)]
pub(crate) enum Lines {
    /// As JSON.
    Jsonl(Jsonl),
    /// As text.
    Text(Text),
    /// As bytes.
    Raw,
}

impl Lines {
    /// `show` counts for text only.
    pub(crate) fn new(format: Format, show: Vec<Show>) -> Self {
        match format {
            Format::Jsonl => Self::Jsonl(Jsonl::default()),
            Format::Text => Self::Text(Text::new(show)),
            Format::Raw => Self::Raw,
        }
    }

    /// The records that come are of this batch.
    pub(crate) fn begin(&mut self, topic: &str, partition: i32, header: &BatchHeader) {
        match self {
            Self::Jsonl(jsonl) => jsonl.begin(topic, partition, header),
            Self::Text(text) => text.begin(topic, partition),
            Self::Raw => {}
        }
    }

    /// Appends one record without the end of its line.
    pub(crate) fn push(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        match self {
            Self::Jsonl(jsonl) => jsonl.push(out, record),
            Self::Text(text) => text.push(out, record),
            Self::Raw => out.extend_from_slice(record.value().unwrap_or_default()),
        }
    }
}
