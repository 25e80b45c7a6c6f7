//! The table of cases: what is read, and what we want to see of it.

use xtask::{Error, Result};

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
    /// How many brokers lead them.
    pub brokers: i32,
    /// How many records, all partitions together.
    pub records: u64,
    /// What we want of `milena batches` on the limit server.
    pub limit_goal: Option<Goal>,
    /// What we want of it on real Kafka.
    pub kafka_goal: Option<Goal>,
}

/// What we want to see.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// Millions of records in a second, at least.
    pub rate: f64,
    /// Nanoseconds of the client's CPU for a record, at most.
    pub cpu_ns: f64,
    /// Whether that is user time alone: where receiving is nearly all of it.
    pub is_user: bool,
}

const fn goal(rate: f64, cpu_ns: f64) -> Option<Goal> {
    Some(Goal { rate, cpu_ns, is_user: false })
}

const fn user_goal(rate: f64, cpu_ns: f64) -> Option<Goal> {
    Some(Goal { rate, cpu_ns, is_user: true })
}

const fn case(name: &'static str, value_bytes: u32, compression: &'static str, records: u64) -> Case {
    Case {
        name,
        value_bytes,
        compression,
        partitions: 4,
        brokers: 1,
        records,
        limit_goal: None,
        kafka_goal: None,
    }
}

/// Every case. A new one needs a line here and nothing else. The first six are what is read if nothing is named.
pub const CASES: [Case; 7] = [
    Case {
        limit_goal: goal(30.0, 25.0),
        kafka_goal: goal(11.0, 80.0),
        ..case("100B-none", 100, "none", 12_000_000)
    },
    Case {
        limit_goal: goal(18.0, 48.0),
        kafka_goal: goal(15.0, 58.0),
        ..case("100B-lz4", 100, "lz4", 12_000_000)
    },
    Case {
        limit_goal: goal(9.0, 110.0),
        kafka_goal: goal(11.0, 120.0),
        ..case("100B-zstd", 100, "zstd", 8_000_000)
    },
    Case {
        limit_goal: goal(5.0, 140.0),
        kafka_goal: user_goal(2.0, 90.0),
        ..case("1KiB-none", 1024, "none", 2_000_000)
    },
    Case {
        limit_goal: goal(2.4, 450.0),
        kafka_goal: user_goal(2.2, 420.0),
        ..case("1KiB-lz4", 1024, "lz4", 2_000_000)
    },
    Case { limit_goal: goal(1.4, 930.0), kafka_goal: None, ..case("1KiB-zstd", 1024, "zstd", 1_500_000) },
    Case {
        partitions: 12,
        brokers: 3,
        kafka_goal: goal(11.0, 90.0),
        ..case("3-nodes", 100, "none", 12_000_000)
    },
];

impl Case {
    /// The cases whose names begin so.
    ///
    /// # Errors
    /// There is none.
    pub fn picked(names: &str) -> Result<Vec<Case>> {
        let picked = |case: &Case| names.split(',').any(|wanted| case.name.starts_with(wanted));
        let cases: Vec<Case> = CASES.into_iter().filter(picked).collect();
        if cases.is_empty() {
            return Err(Error::new(format!("no case is called {names}")));
        }
        Ok(cases)
    }

    /// A tenth of it: to see whether everything works, not for numbers.
    #[must_use]
    pub fn quick(mut self) -> Self {
        self.records /= 10;
        self
    }
}
