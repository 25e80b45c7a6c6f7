//! `milena produce`.

use clap::{Args, ValueEnum};

use super::Connection;

/// What `milena produce` is told.
#[derive(Debug, Args)]
pub(crate) struct ProduceArgs {
    #[command(flatten)]
    pub(crate) connection: Connection,

    /// The topic to write to; it has to exist
    #[arg(short, long, value_name = "TOPIC")]
    pub(crate) topic: String,

    /// The partition to write to [default: by the key, as Java's producer chooses]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partition: Option<i32>,

    /// What stands between key and value in each line; without it lines are values, and keys are null
    #[arg(short, long, value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) key_separator: Option<String>,

    /// How to compress batches [default: none]
    #[arg(long, value_enum)]
    pub(crate) compression: Option<Codec>,
}

/// How to compress batches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[allow(missing_docs)]
pub(crate) enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    /// Kafka's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}
