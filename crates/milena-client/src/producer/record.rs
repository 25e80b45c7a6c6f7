//! A record to write.

use bytes::Bytes;
use proto::types::TopicName;
use records::{Header, NewRecord};

/// A record to write, and where to.
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "a record writes nothing by itself"]
pub struct ProducerRecord {
    /// The topic.
    pub topic: TopicName,
    /// The partition; `None` leaves it to the key, or without a key to the producer.
    pub partition: Option<i32>,
    /// The key, or null. Equal keys go to the same partition, the one that Java's producer chooses.
    pub key: Option<Bytes>,
    /// The value, or null: a tombstone, in a compacted topic.
    pub value: Option<Bytes>,
    /// The headers, in order. Names may repeat, and need not be text.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
    /// Milliseconds since 1970; `None` for the time at which it is enqueued.
    pub timestamp: Option<i64>,
}

impl ProducerRecord {
    /// A record with null key, null value and no headers.
    pub fn new(topic: impl Into<TopicName>) -> Self {
        let topic = topic.into();
        Self { topic, partition: None, key: None, value: None, headers: Vec::new(), timestamp: None }
    }

    /// To this partition.
    pub fn partition(self, partition: i32) -> Self {
        Self { partition: Some(partition), ..self }
    }

    /// With this key.
    pub fn key(self, key: impl Into<Bytes>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// With this value.
    pub fn value(self, value: impl Into<Bytes>) -> Self {
        Self { value: Some(value.into()), ..self }
    }

    /// With one more header.
    pub fn header(mut self, name: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }

    /// With this timestamp, in milliseconds since 1970.
    pub fn timestamp(self, timestamp: i64) -> Self {
        Self { timestamp: Some(timestamp), ..self }
    }

    /// Lends it in the form in which batches take it.
    pub(super) fn with<T>(&self, timestamp: i64, act: impl FnOnce(&NewRecord<'_>) -> T) -> T {
        let headers: Vec<Header<'_>> =
            self.headers.iter().map(|(name, value)| Header::new(name, value.as_deref())).collect();
        let record = NewRecord::new(timestamp)
            .maybe_key(self.key.as_deref())
            .maybe_value(self.value.as_deref())
            .headers(&headers);
        act(&record)
    }
}
