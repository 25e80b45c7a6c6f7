//! Which golden segments there are.

use crate::corpus::{ANY_TIME, APPEND_TIME, CODECS, COMPACT, FORMAT, OLD_CODECS, Producer, Step, Topic};
use crate::kafka::Version;

/// The cases of one cluster.
pub(super) fn cases(version: Version) -> Vec<Topic> {
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
    cases: Vec<Topic>,
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
        for codec in OLD_CODECS {
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
        let turns = vec![steps];
        self.cases.push(Topic { name, configs: configs.to_vec(), turns, is_compacted: false });
    }

    fn add_compacted(
        &mut self,
        producer: Producer,
        codec: &'static str,
        kind: &'static str,
        configs: &[(&'static str, &'static str)],
    ) {
        let name = self.name(producer, codec, kind);
        let turns =
            vec![vec![Step::Write(producer, kind, codec, 0)], vec![Step::Write(producer, "more", codec, 0)]];
        let configs = COMPACT.iter().chain(configs).copied().collect();
        self.cases.push(Topic { name, configs, turns, is_compacted: true });
    }

    /// One log with all three formats, as an upgraded cluster has.
    fn add_mixed(&mut self, codec: &'static str) {
        let turns = vec![
            vec![Step::Write(Producer::Java09, "plain", codec, 0)],
            vec![Step::Alter(FORMAT, "0.10.0"), Step::Write(Producer::Java010, "plain", codec, 0)],
            vec![Step::Alter(FORMAT, "2.8"), Step::Write(Producer::Java, "headers", codec, 0)],
        ];
        let name = format!("mixed-{codec}-formats");
        self.cases.push(Topic { name, configs: vec![(FORMAT, "0.9.0")], turns, is_compacted: false });
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
