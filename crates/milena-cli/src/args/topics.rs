//! `milena topics`.

use clap::{Args, Subcommand, ValueEnum};

use super::Connection;
use super::connection::key_value;

/// What `milena topics` is told.
#[derive(Debug, Args)]
pub(crate) struct TopicsArgs {
    #[command(flatten)]
    pub(crate) connection: Connection,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: TopicsCommand,
}

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicsCommand {
    /// List all topics
    List {
        /// The brokers' own topics as well
        #[arg(long)]
        internal: bool,

        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: TableFormat,
    },
    /// Show the partitions of topics: leaders, replicas and offsets
    Describe {
        /// The topics
        #[arg(value_name = "TOPIC", required = true)]
        topics: Vec<String>,

        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: TableFormat,
    },
    /// Create topics
    Create {
        /// The topics
        #[arg(value_name = "TOPIC", required = true)]
        topics: Vec<String>,

        /// How many partitions [default: as many as the brokers are configured for]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..))]
        partitions: Option<i32>,

        /// How many copies of each partition [default: as many as the brokers are configured for]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(i16).range(1..))]
        replication_factor: Option<i16>,

        /// A property of the topics, such as cleanup.policy=compact; again for more
        #[arg(long = "config", value_name = "KEY=VALUE", value_parser = key_value)]
        configs: Vec<(String, String)>,
    },
    /// Delete topics with all their records
    Delete {
        /// The topics
        #[arg(value_name = "TOPIC", required = true)]
        topics: Vec<String>,
    },
}

/// How tables are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(crate) enum TableFormat {
    /// Aligned columns
    #[default]
    Table,
    /// One JSON document
    Json,
}
