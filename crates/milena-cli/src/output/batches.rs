//! One line per record batch: what its header says, and whether its checksum is right.

use records::BatchHeader;

use super::{Format, push_i64, push_string, timestamp_type};

/// A batch of a segment.
#[derive(Debug)]
pub(crate) struct BatchLine<'a> {
    /// Bytes of the file before it.
    pub(crate) position: u64,
    /// Its header; of a compressed message set of magic 0 or 1 with the true base offset, once that is known.
    pub(crate) header: &'a BatchHeader,
    /// Its records; `None` where only decompression could tell and that failed.
    pub(crate) count: Option<usize>,
    /// Whether its checksum is that of its bytes.
    pub(crate) is_crc_ok: bool,
}

/// What a field holds.
enum Value {
    Number(i64),
    Flag(bool),
    Word(String),
    Unknown,
}

impl BatchLine<'_> {
    /// Appends the line without its end: as JSON, or as text in the manner of Kafka's own tool.
    pub(crate) fn push(&self, out: &mut Vec<u8>, format: Format) {
        let is_json = format == Format::Jsonl;
        let mut between: &[u8] = if is_json { b"{" } else { b"" };
        for (name, value) in self.fields() {
            out.extend_from_slice(between);
            if is_json {
                push_string(out, name);
                out.push(b':');
            } else {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b": ");
            }
            match value {
                Value::Number(number) => push_i64(out, number),
                Value::Flag(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
                Value::Word(word) if is_json => push_string(out, &word),
                Value::Word(word) => out.extend_from_slice(word.as_bytes()),
                Value::Unknown => out.extend_from_slice(if is_json { b"null" } else { b"-" }),
            }
            between = if is_json { b"," } else { b" " };
        }
        if is_json {
            out.push(b'}');
        }
    }

    fn fields(&self) -> [(&'static str, Value); 19] {
        let header = self.header;
        let number = |number: Option<i64>| number.map_or(Value::Unknown, Value::Number);
        let of_producer = |number: i64| number_if(header.has_producer_id(), number);
        let codec = match header.compression() {
            Ok(codec) => codec.name().to_owned(),
            Err(fault) => fault.to_string(),
        };
        [
            ("position", Value::Number(i64::try_from(self.position).unwrap_or(i64::MAX))),
            ("base_offset", Value::Number(header.base_offset())),
            ("last_offset", Value::Number(header.last_offset())),
            ("count", number(self.count.and_then(|count| i64::try_from(count).ok()))),
            ("size", number(i64::try_from(header.size_in_bytes()).ok())),
            ("magic", Value::Number(header.magic().into())),
            ("codec", Value::Word(codec)),
            ("crc_ok", Value::Flag(self.is_crc_ok)),
            ("leader_epoch", number(header.leader_epoch().map(i64::from))),
            ("producer_id", of_producer(header.producer_id())),
            ("producer_epoch", of_producer(header.producer_epoch().into())),
            ("base_sequence", of_producer(header.base_sequence().into())),
            ("last_sequence", of_producer(self.last_sequence())),
            ("transactional", Value::Flag(header.is_transactional())),
            ("control", Value::Flag(header.is_control())),
            ("timestamp_type", Value::Word(timestamp_type(header.timestamp_type()).to_owned())),
            ("base_timestamp", number_if(header.magic() > 0, header.base_timestamp())),
            ("max_timestamp", number_if(header.magic() > 0, header.max_timestamp())),
            ("delete_horizon", number(header.delete_horizon_ms())),
        ]
    }

    /// Counts as Java's `DefaultRecordBatch.incrementSequence` does: after 2^31-1 comes 0.
    fn last_sequence(&self) -> i64 {
        let base = i64::from(self.header.base_sequence());
        if base < 0 {
            return base;
        }
        (base + i64::from(self.header.last_offset_delta())) & i64::from(i32::MAX)
    }
}

fn number_if(is_there: bool, number: i64) -> Value {
    if is_there { Value::Number(number) } else { Value::Unknown }
}
