//! `milena dump`.

use std::path::PathBuf;

use clap::Args;

use crate::output::{Format, Show};

/// What `milena dump` is told.
#[derive(Debug, Args)]
pub(crate) struct DumpArgs {
    /// A segment of a log (`00000000000000000000.log`), or `-` for standard input
    pub(crate) file: PathBuf,

    /// How to print [default: jsonl, of batches text]
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,

    /// In text, what to show in front of each value
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) show: Vec<Show>,

    /// Print control records as well
    #[arg(long)]
    pub(crate) control: bool,

    /// Print one line per batch in place of records
    #[arg(long, conflicts_with_all = ["control", "show"])]
    pub(crate) batches: bool,
}
