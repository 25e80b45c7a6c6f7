//! The table of cases: what is read.

/// One topic, and so one line of the comparison for each client.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// How it is asked for: `100B-none`.
    pub name: &'static str,
    /// Bytes of a value; keys have eight.
    pub value_bytes: u32,
    /// As `compression.type` has it.
    pub compression: &'static str,
    /// How many partitions.
    pub partitions: i32,
    /// How many records, all partitions together.
    pub records: u64,
}

/// Every case. A new one needs a line here and nothing else.
pub const CASES: [Case; 4] = [
    Case { name: "100B-none", value_bytes: 100, compression: "none", partitions: 4, records: 5_000_000 },
    Case { name: "100B-lz4", value_bytes: 100, compression: "lz4", partitions: 4, records: 5_000_000 },
    Case { name: "1KiB-none", value_bytes: 1024, compression: "none", partitions: 4, records: 1_000_000 },
    Case { name: "1KiB-lz4", value_bytes: 1024, compression: "lz4", partitions: 4, records: 1_000_000 },
];

impl Case {
    /// A tenth of it: to see whether everything works, not for numbers.
    #[must_use]
    pub fn quick(mut self) -> Self {
        self.records /= 10;
        self
    }
}
