//! The command line.

mod connection;
mod consume;
mod dump;
mod groups;
mod place;
mod produce;
mod topics;
mod verifiable_consumer;
mod verifiable_producer;

pub(crate) use connection::Connection;
pub(crate) use consume::ConsumeArgs;
pub(crate) use dump::DumpArgs;
pub(crate) use groups::{GroupsArgs, GroupsCommand};
pub(crate) use place::{Begin, Until};
pub(crate) use produce::ProduceArgs;
pub(crate) use topics::{TableFormat, TopicsArgs, TopicsCommand};
pub(crate) use verifiable_consumer::VerifiableConsumerArgs;
pub(crate) use verifiable_producer::VerifiableProducerArgs;

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
    /// Write lines of standard input as records
    Produce(ProduceArgs),
    /// List, describe, create and delete topics
    Topics(TopicsArgs),
    /// List and describe consumer groups
    Groups(GroupsArgs),
    /// Print the records, or the batches, of a raw log segment
    Dump(DumpArgs),
    /// Read as a member of a group and tell each step: the client under test of Apache Kafka's system tests
    VerifiableConsumer(VerifiableConsumerArgs),
    /// Write ascending numbers and tell what became of each: the other half of Apache Kafka's system tests
    VerifiableProducer(VerifiableProducerArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn where_the_cluster_is_may_be_said_before_and_after_the_verb() {
        for line in [
            "milena topics -b a:1 list",
            "milena topics list -b a:1",
            "milena topics list --bootstrap-server a:1",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            let Command::Topics(args) = cli.command else { panic!("{line}") };
            assert_eq!(args.connection.bootstrap_server.as_deref(), Some("a:1"), "{line}");
        }
        let cli =
            Cli::try_parse_from(["milena", "groups", "describe", "g", "--format", "json", "-vv"]).unwrap();
        assert_eq!(cli.verbose, 2);
        assert!(Cli::try_parse_from(["milena", "topics", "create", "t", "--partitions", "0"]).is_err());
        assert!(Cli::try_parse_from(["milena", "topics", "delete"]).is_err());
        assert!(Cli::try_parse_from(["milena", "produce", "-t", "t", "--key-separator", ""]).is_err());
    }
}
