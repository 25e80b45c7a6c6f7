//! The command line.

mod connection;
mod consume;
mod dump;
mod place;

pub(crate) use connection::Connection;
pub(crate) use consume::ConsumeArgs;
pub(crate) use dump::DumpArgs;
pub(crate) use place::{Begin, Until};

use clap::{ArgAction, Parser, Subcommand};

/// Reads Kafka, and looks around in it.
///
/// Exit codes: 0 done, 1 it failed, 2 the command line or a setting cannot be, 130 it was interrupted before its end.
#[derive(Debug, Parser)]
#[command(name = "milena", version, propagate_version = true, max_term_width = 100)]
pub(crate) struct Cli {
    /// Say more on standard error: news, then details (-vv), then everything (-vvv)
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the records of topics
    Consume(ConsumeArgs),
    /// Print the records, or the batches, of a raw log segment
    Dump(DumpArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
