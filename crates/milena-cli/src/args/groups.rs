//! `milena groups`.

use clap::{Args, Subcommand};

use super::{Connection, TableFormat};

/// What `milena groups` is told.
#[derive(Debug, Args)]
pub(crate) struct GroupsArgs {
    #[command(flatten)]
    pub(crate) connection: Connection,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: GroupsCommand,
}

/// What to do with groups.
#[derive(Debug, Subcommand)]
pub(crate) enum GroupsCommand {
    /// List all groups
    List {
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: TableFormat,
    },
    /// Show a group: its members, what they are assigned, what is committed and how far behind that is
    Describe {
        /// The group
        #[arg(value_name = "GROUP")]
        group: String,

        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: TableFormat,
    },
}
