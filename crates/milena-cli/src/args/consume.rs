//! `milena consume`.

use clap::{Args, ValueEnum};

use super::{Begin, Connection, Until};
use crate::output::{Format, Show};

/// What `milena consume` is told.
#[derive(Debug, Args)]
pub(crate) struct ConsumeArgs {
    #[command(flatten)]
    pub(crate) connection: Connection,

    /// A topic to read; again for more
    #[arg(short, long = "topic", value_name = "TOPIC", required = true)]
    pub(crate) topics: Vec<String>,

    /// Only this partition of each topic; again for more
    #[arg(short, long = "partition", value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub(crate) partitions: Vec<i32>,

    /// Read as a member of this consumer group, acknowledge what is printed, and commit it
    #[arg(short, long, value_name = "GROUP")]
    pub(crate) group: Option<String>,

    /// Where to begin: earliest, latest, committed, offset:N, timestamp:MS or tail:N
    ///
    /// Default: with a group where it has committed, else earliest. Where a group reads whole topics, it begins where it has
    /// committed in any case; this is for partitions in which it has not.
    #[arg(long, value_name = "PLACE")]
    pub(crate) from: Option<Begin>,

    /// Where to end: never, latest, offset:N or count:N
    ///
    /// `latest` are the ends that the partitions have at the start: the last stable offsets under read_committed.
    #[arg(long, value_name = "PLACE", default_value = "never")]
    pub(crate) until: Until,

    /// What to see of transactions [default: read_uncommitted]
    #[arg(long, value_enum)]
    pub(crate) isolation: Option<Isolation>,

    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,

    /// In text, what to show in front of each value
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) show: Vec<Show>,
}

/// What to see of transactions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Isolation {
    /// Records of committed transactions only, up to the first transaction that is open
    ReadCommitted,
    /// Everything, also what was aborted
    ReadUncommitted,
}

impl Isolation {
    /// Kafka's name for it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ReadCommitted => "read_committed",
            Self::ReadUncommitted => "read_uncommitted",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        args: ConsumeArgs,
    }

    fn parse(args: &str) -> Result<ConsumeArgs, clap::Error> {
        Only::try_parse_from(["milena"].into_iter().chain(args.split(' '))).map(|only| only.args)
    }

    #[test]
    fn the_whole_contract() {
        let args = parse(
            "--bootstrap-server a:1,b:2 --topic x --topic y --partition 3 --group g --from offset:7 --until latest \
             --isolation read_committed --format jsonl --command-config f",
        );
        let args = args.unwrap();
        assert_eq!(args.topics, ["x", "y"]);
        assert_eq!(args.partitions, [3]);
        assert_eq!(args.group.as_deref(), Some("g"));
        assert_eq!((args.from, args.until), (Some(Begin::Offset(7)), Until::Latest));
        assert_eq!((args.isolation, args.format), (Some(Isolation::ReadCommitted), Format::Jsonl));
        assert_eq!(args.connection.bootstrap_server.as_deref(), Some("a:1,b:2"));
    }

    #[test]
    fn short_flags_and_defaults() {
        let args =
            parse("-b a:1 -t x -p 0 -p 1 -g g --property a=b --property c=d --show key,offset").unwrap();
        assert_eq!((args.from, args.until, args.format), (None, Until::Never, Format::Text));
        assert_eq!(args.partitions, [0, 1]);
        assert_eq!(args.connection.properties.len(), 2);
        assert_eq!(args.show, [Show::Key, Show::Offset]);
    }

    #[test]
    fn what_cannot_be() {
        for args in
            ["-b a:1", "-t x -p -1", "-t x --from nowhere", "-t x --until count:x", "-t x --isolation RC"]
        {
            assert!(parse(args).is_err(), "{args}");
        }
    }
}
