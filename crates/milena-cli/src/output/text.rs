//! Records for eyes: one line each, whatever is in them.

use clap::ValueEnum;
use records::Record;

use super::json::push_i64;

/// What a line may show in front of the value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub(crate) enum Show {
    /// The topic's name
    Topic,
    /// The partition's number
    Partition,
    /// The offset
    Offset,
    /// Milliseconds since 1970
    Timestamp,
    /// The headers: name=value, with commas between them
    Headers,
    /// The key
    Key,
}

/// Writes values as text, one line each; what is shown beside the value stands before it, with tabs between.
///
/// What is no UTF-8 shows as U+FFFD, control characters are escaped: a record is one line, and no record can talk to the
/// terminal. Null shows as `null`.
#[derive(Debug)]
pub(crate) struct Text {
    show: Vec<Show>,
    topic: String,
    partition: i32,
}

impl Text {
    /// `show` in any order and more than once; shown is always in the same order.
    pub(crate) fn new(mut show: Vec<Show>) -> Self {
        show.sort_unstable();
        show.dedup();
        Self { show, topic: String::new(), partition: 0 }
    }

    /// The records that come are of this partition.
    pub(crate) fn begin(&mut self, topic: &str, partition: i32) {
        if self.topic != topic {
            topic.clone_into(&mut self.topic);
        }
        self.partition = partition;
    }

    /// Appends one record without the end of its line.
    pub(crate) fn push(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        for show in &self.show {
            match show {
                Show::Topic => push_text(out, self.topic.as_bytes()),
                Show::Partition => push_i64(out, self.partition.into()),
                Show::Offset => push_i64(out, record.offset()),
                Show::Timestamp => push_i64(out, record.timestamp()),
                Show::Key => push_nullable(out, record.key()),
                Show::Headers => {
                    for (index, header) in record.headers().enumerate() {
                        if index > 0 {
                            out.push(b',');
                        }
                        push_text(out, header.key_bytes());
                        out.push(b'=');
                        push_nullable(out, header.value());
                    }
                }
            }
            out.push(b'\t');
        }
        push_nullable(out, record.value());
    }
}

fn push_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => push_text(out, bytes),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends bytes as text without control characters.
pub(crate) fn push_text(out: &mut Vec<u8>, bytes: &[u8]) {
    let is_plain = |byte: &u8| (0x20..0x7f).contains(byte);
    if bytes.iter().all(is_plain) {
        out.extend_from_slice(bytes);
        return;
    }
    for char in String::from_utf8_lossy(bytes).chars() {
        if char.is_control() {
            // Control characters are below U+00A0: their escapes are ASCII.
            out.extend(char.escape_default().map(|char| char as u8));
        } else {
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use records::{BatchBuilder, Batches, Compression, Compressor, Decompressor, Header, NewRecord};

    use super::*;

    fn line(show: &[Show], record: &NewRecord<'_>) -> String {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(record).unwrap();
        let batch = Batches::new(builder.build(&mut Compressor::new()).unwrap()).next().unwrap().unwrap();
        let decoded = batch.decode(&mut Decompressor::new()).unwrap();
        let mut text = Text::new(show.to_vec());
        text.begin("orders", 3);
        let mut out = Vec::new();
        text.push(&mut out, &decoded.records().next().unwrap().unwrap());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_value_alone() {
        assert_eq!(line(&[], &NewRecord::new(1).value("kůň")), "kůň");
        assert_eq!(line(&[], &NewRecord::new(1)), "null");
    }

    #[test]
    fn a_record_is_one_line_and_does_not_talk_to_the_terminal() {
        let value = b"one\r\ntwo\t\x1b[2J\x7f\xc2\x9b\xff";
        assert_eq!(
            line(&[], &NewRecord::new(1).value(value)),
            "one\\r\\ntwo\\t\\u{1b}[2J\\u{7f}\\u{9b}\u{fffd}"
        );
    }

    #[test]
    fn what_is_shown_stands_before_the_value_in_a_fixed_order() {
        let headers = [Header::new("a", Some(b"1")), Header::new("b", None)];
        let record = NewRecord::new(99).key("k").value("v").headers(&headers);
        let all = [Show::Key, Show::Offset, Show::Headers, Show::Partition, Show::Timestamp, Show::Topic];
        assert_eq!(line(&all, &record), "orders\t3\t0\t99\ta=1,b=null\tk\tv");
        assert_eq!(line(&[Show::Key, Show::Key], &record), "k\tv");
    }
}
