//! Which golden segments there are.

use crate::kafka::Version;

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Producer {
    /// `tests/java/any/Writer.java` with the client of the broker's version.
    Java,
    /// `tests/java/old/OldWriter.java`.
    Java010,
    Java09,
    Librdkafka,
    KafkaPython,
    Kafkajs,
    FranzGo,
}

/// One topic, and so one segment.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// The topic's and the file's name: producer, codec, kind.
    pub(super) name: String,
    pub(super) configs: Vec<(&'static str, &'static str)>,
    pub(super) steps: Vec<Step>,
    pub(super) compacted: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A line for a writer: the kind, the codec and a count (0: its own).
    Write(Producer, &'static str, &'static str, u32),
    /// A change of the topic's configuration.
    Alter(&'static str, &'static str),
}

const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// Times far away are refused by default since 3.6.
const ANY_TIME: (&str, &str) = ("message.timestamp.after.max.ms", "9223372036854775807");
const APPEND_TIME: (&str, &str) = ("message.timestamp.type", "LogAppendTime");
const COMPACT: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    // A segment of this age is rolled at the next append; the cleaner leaves the active one alone.
    ("segment.ms", "400"),
    ("min.cleanable.dirty.ratio", "0.01"),
    ("min.compaction.lag.ms", "0"),
    ("delete.retention.ms", "86400000"),
];
const FORMAT: &str = "message.format.version";

/// The cases of one cluster.
pub(super) fn cases(version: Version) -> Vec<Case> {
    let mut plan = Plan { version, cases: Vec::new() };
    match version {
        Version::NEWEST => plan.newest(),
        Version::LAST_2 => plan.old_formats(),
        _ => plan.oldest(),
    }
    plan.cases
}

struct Plan {
    version: Version,
    cases: Vec<Case>,
}

impl Plan {
    fn newest(&mut self) {
        for codec in CODECS {
            for kind in ["plain", "headers", "batches", "transactions"] {
                self.add(Producer::Java, codec, kind);
            }
            // 64 KiB and more make several blocks of lz4 and of Java's framed snappy.
            let bytes = if matches!(codec, "lz4" | "snappy") { 70_000 } else { 12_000 };
            self.add_step(Producer::Java, codec, "big", bytes, "big", &[]);
            self.add_step(Producer::Java, codec, "times", 0, "times", &[ANY_TIME]);
            for producer in [Producer::Librdkafka, Producer::FranzGo] {
                for kind in ["plain", "headers"] {
                    self.add(producer, codec, kind);
                }
                self.add_step(producer, codec, "big", 12_000, "big", &[]);
            }
            for kind in ["plain", "headers"] {
                self.add(Producer::KafkaPython, codec, kind);
                if !matches!(codec, "lz4" | "zstd") {
                    self.add(Producer::Kafkajs, codec, kind);
                }
            }
        }
        self.add_step(Producer::Librdkafka, "lz4", "big", 70_000, "bigger", &[]);
        for producer in [Producer::Librdkafka, Producer::FranzGo, Producer::Kafkajs] {
            self.add(producer, "none", "transactions");
            self.add(producer, "gzip", "batches");
        }
        for producer in [Producer::Librdkafka, Producer::FranzGo, Producer::Kafkajs, Producer::KafkaPython] {
            self.add_step(producer, "none", "times", 0, "times", &[ANY_TIME]);
        }
        for codec in ["none", "zstd"] {
            self.add(Producer::Java, codec, "simple");
            self.add_step(Producer::Java, codec, "batches", 0, "appendtime", &[APPEND_TIME]);
            self.add_compacted(Producer::Java, codec, "compacted", &[]);
            self.add(Producer::Java, codec, "aborted");
        }
        self.add_compacted(Producer::Java, "gzip", "compacted", &[]);
    }

    /// Magic 0 and 1, which brokers before 4.0 still write for a topic set so.
    fn old_formats(&mut self) {
        for codec in ["none", "gzip", "snappy", "lz4"] {
            for kind in ["plain", "batches"] {
                self.add_step(Producer::Java09, codec, kind, 0, kind, &[(FORMAT, "0.9.0")]);
                self.add_step(Producer::Java010, codec, kind, 0, kind, &[(FORMAT, "0.10.0")]);
            }
            self.add_step(Producer::Java010, codec, "times", 0, "times", &[(FORMAT, "0.10.0")]);
            self.add_step(
                Producer::Java010,
                codec,
                "batches",
                0,
                "appendtime",
                &[(FORMAT, "0.10.0"), APPEND_TIME],
            );
            // What today's producers write is converted by the broker.
            for (format, kind) in [("0.9.0", "converted-to-0.9.0"), ("0.10.0", "converted-to-0.10.0")] {
                self.add_step(Producer::Java, codec, "simple", 0, kind, &[(FORMAT, format)]);
            }
            self.add_mixed(codec);
        }
        for codec in ["none", "gzip", "lz4"] {
            self.add_compacted(Producer::Java09, codec, "compacted", &[(FORMAT, "0.9.0")]);
            self.add_compacted(Producer::Java010, codec, "compacted", &[(FORMAT, "0.10.0")]);
        }
        self.add_step(Producer::Java09, "lz4", "big", 0, "big", &[(FORMAT, "0.9.0")]);
        self.add_step(Producer::Java010, "lz4", "big", 0, "big", &[(FORMAT, "0.10.0")]);
    }

    fn oldest(&mut self) {
        for codec in CODECS {
            self.add(Producer::Java, codec, "plain");
        }
        self.add(Producer::Java, "none", "transactions");
    }

    fn add(&mut self, producer: Producer, codec: &'static str, kind: &'static str) {
        self.add_step(producer, codec, kind, 0, kind, &[]);
    }

    fn add_step(
        &mut self,
        producer: Producer,
        codec: &'static str,
        kind: &'static str,
        count: u32,
        name: &str,
        configs: &[(&'static str, &'static str)],
    ) {
        let name = self.name(producer, codec, name);
        let steps = vec![Step::Write(producer, kind, codec, count)];
        self.cases.push(Case { name, configs: configs.to_vec(), steps, compacted: false });
    }

    fn add_compacted(
        &mut self,
        producer: Producer,
        codec: &'static str,
        kind: &'static str,
        configs: &[(&'static str, &'static str)],
    ) {
        let name = self.name(producer, codec, kind);
        let steps = vec![Step::Write(producer, kind, codec, 0), Step::Write(producer, "more", codec, 0)];
        let configs = COMPACT.iter().chain(configs).copied().collect();
        self.cases.push(Case { name, configs, steps, compacted: true });
    }

    /// One log with all three formats, as an upgraded cluster has.
    fn add_mixed(&mut self, codec: &'static str) {
        let steps = vec![
            Step::Write(Producer::Java09, "plain", codec, 0),
            Step::Alter(FORMAT, "0.10.0"),
            Step::Write(Producer::Java010, "plain", codec, 0),
            Step::Alter(FORMAT, "2.8"),
            Step::Write(Producer::Java, "headers", codec, 0),
        ];
        let name = format!("mixed-{codec}-formats");
        self.cases.push(Case { name, configs: vec![(FORMAT, "0.9.0")], steps, compacted: false });
    }

    fn name(&self, producer: Producer, codec: &str, kind: &str) -> String {
        let producer = match producer {
            Producer::Java => format!("java-{}", self.version),
            Producer::Java010 => "java-0.10.0.1".to_owned(),
            Producer::Java09 => "java-0.9.0.1".to_owned(),
            Producer::Librdkafka => "librdkafka".to_owned(),
            Producer::KafkaPython => "kafka-python".to_owned(),
            Producer::Kafkajs => "kafkajs".to_owned(),
            Producer::FranzGo => "franz-go".to_owned(),
        };
        format!("{producer}-{codec}-{kind}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_segments_have_the_same_name() {
        let versions = [Version::NEWEST, Version::LAST_2, Version::OLDEST];
        let names: Vec<String> = versions.into_iter().flat_map(cases).map(|case| case.name).collect();
        let different: BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len());
    }
}
