//! What is served, and how.

use std::time::Duration;

use records::Compression;

/// What a [`Server`](super::Server) holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Bytes of a value; keys have eight.
    pub record_bytes: usize,
    /// How batches are compressed.
    pub codec: Compression,
    /// About how many bytes a batch has, as it is on the wire: compressed, as `batch.size` of Java's producer means it.
    pub batch_bytes: usize,
    /// Partitions with records in them.
    pub partitions: usize,
    /// Records of all partitions together; rounded up, so that each log ends with a whole batch.
    pub records: u64,
    /// Brokers that lead the partitions with records, in turns.
    pub brokers: usize,
    /// Added before each Fetch is answered.
    pub delay: Duration,
    /// More brokers, which lead empty partitions only.
    pub idle_brokers: usize,
    /// Empty partitions, numbered after the others, on all brokers in turns, beginning with those that are idle.
    pub idle_partitions: usize,
    /// Whether a partition's records end where its limit is, in the middle of a batch, as a broker's do.
    pub cut: bool,
    /// The first port to listen on; 0 is any.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            record_bytes: 100,
            codec: Compression::None,
            batch_bytes: 64 * 1024,
            partitions: 4,
            records: 30_000_000,
            brokers: 1,
            delay: Duration::ZERO,
            idle_brokers: 0,
            idle_partitions: 0,
            cut: false,
            port: 0,
        }
    }
}

impl Options {
    /// How they are given on a command line.
    pub const USAGE: &str = "limit-server [--record-bytes 100] [--codec none|gzip|snappy|lz4|zstd] [--batch-bytes 65536] \
        [--partitions 4] [--records 30000000] [--brokers 1] [--delay-ms 0] [--idle-brokers 0] [--idle-partitions 0] [--cut] \
        [--port 0]";

    /// Reads them off a command line.
    ///
    /// # Errors
    /// It says something else.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(name) = args.next() {
            if name == "--cut" {
                options.cut = true;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--record-bytes" => options.record_bytes = number(&name, &value)?,
                "--codec" => {
                    options.codec = Compression::ALL
                        .into_iter()
                        .find(|codec| codec.to_string() == value)
                        .ok_or_else(|| format!("no codec is called {value}"))?;
                }
                "--batch-bytes" => options.batch_bytes = number(&name, &value)?,
                "--partitions" => options.partitions = number(&name, &value)?,
                "--records" => options.records = number(&name, &value)?,
                "--brokers" => options.brokers = number(&name, &value)?,
                "--delay-ms" => options.delay = Duration::from_millis(number(&name, &value)?),
                "--idle-brokers" => options.idle_brokers = number(&name, &value)?,
                "--idle-partitions" => options.idle_partitions = number(&name, &value)?,
                "--port" => options.port = number(&name, &value)?,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        if options.idle_brokers > 0 && options.idle_partitions == 0 {
            // A broker that leads nothing is asked for nothing.
            options.idle_partitions = options.idle_brokers;
        }
        if options.brokers == 0 {
            return Err("there must be a broker".to_owned());
        }
        Ok(options)
    }

    /// All brokers.
    pub(super) fn broker_count(&self) -> usize {
        self.brokers + self.idle_brokers
    }

    /// All partitions.
    pub(super) fn partition_count(&self) -> usize {
        self.partitions + self.idle_partitions
    }

    /// The broker that leads a partition.
    pub(super) fn leader(&self, partition: usize) -> usize {
        match partition.checked_sub(self.partitions) {
            None => partition % self.brokers,
            // The idle ones first: one empty partition is enough to make one of them be asked.
            Some(idle) => (self.brokers + idle) % self.broker_count(),
        }
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} takes a number, not {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        Options::from_args(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn idle_brokers_lead_empty_partitions_only() {
        let options = options("--partitions 3 --brokers 2 --idle-brokers 2 --idle-partitions 3").unwrap();
        let leaders: Vec<_> =
            (0..options.partition_count()).map(|partition| options.leader(partition)).collect();
        assert_eq!(leaders, [0, 1, 0, 2, 3, 0]);
    }

    #[test]
    fn a_codec_goes_by_kafkas_name() {
        assert_eq!(options("--codec zstd").unwrap().codec, Compression::Zstd);
        assert!(options("--codec brotli").is_err());
    }
}
