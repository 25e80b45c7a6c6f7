//! One JSON object per record: the format that other tools read.

use records::{BatchHeader, Record, TimestampType};

use super::json::{push_base64, push_i64, push_lossy, push_string};

/// Writes records as JSON lines. What all lines of one batch share is put together once.
#[derive(Debug, Default)]
pub(crate) struct Jsonl {
    /// From the brace to the offset.
    head: Vec<u8>,
    topic: String,
    partition: i32,
    leader_epoch: Option<i32>,
}

impl Jsonl {
    /// The records that come are of this batch.
    pub(crate) fn begin(&mut self, topic: &str, partition: i32, header: &BatchHeader) {
        self.leader_epoch = header.leader_epoch();
        if self.head.is_empty() || self.topic != topic || self.partition != partition {
            topic.clone_into(&mut self.topic);
            self.partition = partition;
            self.head.clear();
            self.head.extend_from_slice(b"{\"topic\":");
            push_string(&mut self.head, topic);
            self.head.extend_from_slice(b",\"partition\":");
            push_i64(&mut self.head, partition.into());
            self.head.extend_from_slice(b",\"offset\":");
        }
    }

    /// Appends one record without the end of its line.
    pub(crate) fn push(&self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(&self.head);
        push_i64(out, record.offset());
        out.extend_from_slice(b",\"timestamp\":");
        push_i64(out, record.timestamp());
        out.extend_from_slice(b",\"timestamp_type\":\"");
        out.extend_from_slice(timestamp_type(record.timestamp_type()).as_bytes());
        out.extend_from_slice(b"\",\"leader_epoch\":");
        match self.leader_epoch {
            Some(epoch) => push_i64(out, epoch.into()),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"key\":");
        push_base64(out, record.key());
        out.extend_from_slice(b",\"value\":");
        push_base64(out, record.value());
        out.extend_from_slice(b",\"headers\":[");
        for (index, header) in record.headers().enumerate() {
            out.extend_from_slice(if index == 0 { b"{\"key\":" } else { b",{\"key\":" });
            // Names may be any bytes.
            push_lossy(out, header.key_bytes());
            out.extend_from_slice(b",\"value\":");
            push_base64(out, header.value());
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}

/// How the format calls them.
pub(crate) fn timestamp_type(timestamp_type: TimestampType) -> &'static str {
    match timestamp_type {
        TimestampType::None => "none",
        TimestampType::CreateTime => "create_time",
        TimestampType::LogAppendTime => "log_append_time",
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;
    use records::{BatchBuilder, Batches, Compression, Compressor, Decompressor, Header, NewRecord};
    use serde_json::{Value, json};

    use super::*;
    use crate::output::json::decode_as_java;

    type OwnedHeader = (Vec<u8>, Option<Vec<u8>>);

    #[derive(Debug, Clone)]
    struct Given {
        topic: String,
        partition: i32,
        timestamp: i64,
        key: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        headers: Vec<OwnedHeader>,
    }

    fn given() -> impl Strategy<Value = Given> {
        let names = prop_oneof![any::<String>().prop_map(String::into_bytes), any::<Vec<u8>>()];
        let headers = prop::collection::vec((names, any::<Option<Vec<u8>>>()), 0..4);
        let bytes = any::<Option<Vec<u8>>>();
        (any::<String>(), any::<i32>(), any::<i64>(), bytes.clone(), bytes, headers).prop_map(
            |(topic, partition, timestamp, key, value, headers)| Given {
                topic,
                partition,
                timestamp,
                key,
                value,
                headers,
            },
        )
    }

    fn lines(given: &[Given]) -> Vec<u8> {
        let mut jsonl = Jsonl::default();
        let mut out = Vec::new();
        for given in given {
            let headers: Vec<_> =
                given.headers.iter().map(|(name, value)| Header::new(name, value.as_deref())).collect();
            let record = NewRecord::new(given.timestamp).headers(&headers);
            let record = record.maybe_key(given.key.as_deref()).maybe_value(given.value.as_deref());
            let mut builder = BatchBuilder::new(Compression::None);
            builder.push(&record).unwrap();
            let batch = Batches::new(builder.build(&mut Compressor::new()).unwrap()).next().unwrap().unwrap();
            let decoded = batch.decode(&mut Decompressor::new()).unwrap();
            jsonl.begin(&given.topic, given.partition, decoded.header());
            for record in decoded.records() {
                jsonl.push(&mut out, &record.unwrap());
                out.push(b'\n');
            }
        }
        out
    }

    fn expected(given: &Given) -> Value {
        let base64 = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| STANDARD.encode(bytes));
        let headers = given.headers.iter();
        let header =
            |(name, value): &OwnedHeader| json!({"key": decode_as_java(name), "value": base64(value)});
        json!({
            "topic": given.topic,
            "partition": given.partition,
            "offset": 0,
            "timestamp": given.timestamp,
            "timestamp_type": "create_time",
            "leader_epoch": null,
            "key": base64(&given.key),
            "value": base64(&given.value),
            "headers": headers.map(header).collect::<Vec<_>>(),
        })
    }

    proptest! {
        /// Byte for byte what serde_json prints, which also fixes the order of the keys.
        #[test]
        fn a_line_is_what_serde_json_would_print(given in prop::collection::vec(given(), 1..4)) {
            let text = String::from_utf8(lines(&given)).unwrap();
            let wanted: String = given.iter().map(|given| format!("{}\n", expected(given))).collect();
            prop_assert_eq!(text, wanted);
        }
    }
}
