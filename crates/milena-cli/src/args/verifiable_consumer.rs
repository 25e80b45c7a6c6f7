//! `milena verifiable-consumer`: the flags of Kafka's `org.apache.kafka.tools.VerifiableConsumer`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Connection;

/// What `milena verifiable-consumer` is told.
#[derive(Debug, Args)]
pub(crate) struct VerifiableConsumerArgs {
    #[command(flatten)]
    pub(crate) connection: Connection,

    /// The topic to read
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: String,

    /// The consumer group to read as
    #[arg(long, value_name = "GROUP")]
    pub(crate) group_id: String,

    /// Be a static member with this id
    #[arg(long, value_name = "ID")]
    pub(crate) group_instance_id: Option<String>,

    /// How the group shares partitions
    #[arg(long, value_enum, ignore_case = true, default_value_t = Protocol::Classic)]
    pub(crate) group_protocol: Protocol,

    /// Under the protocol `consumer`, the assignor that the coordinator shall use
    #[arg(long, value_name = "NAME")]
    pub(crate) group_remote_assignor: Option<String>,

    /// Under the protocol `classic`, the assignors that the member knows, by Java's class names
    #[arg(long, value_name = "CLASSES", default_value = "org.apache.kafka.clients.consumer.RangeAssignor")]
    pub(crate) assignment_strategy: String,

    /// Under the protocol `classic`, the silence after which the member is taken for dead [default: 45000]
    #[arg(long, value_name = "MS")]
    pub(crate) session_timeout: Option<u32>,

    /// Where to begin without a committed offset
    #[arg(long, value_enum, default_value_t = ResetPolicy::Earliest)]
    pub(crate) reset_policy: ResetPolicy,

    /// Commit now and then instead of after each poll, and do not tell
    #[arg(long)]
    pub(crate) enable_autocommit: bool,

    /// Read so many records and end; -1: never
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) max_messages: i64,

    /// Longest wait for the last commit at the end
    #[arg(long, value_name = "MS", default_value_t = 30_000)]
    pub(crate) close_timeout: u64,

    /// The older name of --command-config
    #[arg(long = "consumer.config", value_name = "FILE", conflicts_with = "command_config", hide = true)]
    pub(crate) consumer_config: Option<PathBuf>,
}

/// `group.protocol`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Protocol {
    /// JoinGroup and SyncGroup: a member assigns
    Classic,
    /// KIP-848: the coordinator assigns
    Consumer,
}

/// `auto.offset.reset`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[allow(missing_docs)]
pub(crate) enum ResetPolicy {
    Earliest,
    Latest,
    None,
}

impl ResetPolicy {
    /// Kafka's name for it.
    fn name(self) -> &'static str {
        match self {
            Self::Earliest => "earliest",
            Self::Latest => "latest",
            Self::None => "none",
        }
    }
}

impl VerifiableConsumerArgs {
    /// Whether a member assigns.
    pub(crate) fn is_classic(&self) -> bool {
        self.group_protocol == Protocol::Classic
    }

    /// What the flags say, by the names of properties. They go over the configuration file, as in Java's
    /// `createFromArgs`; which of them are said at all depends on the protocol, as there.
    pub(crate) fn properties(&self) -> Vec<(&'static str, String)> {
        let mut properties = vec![
            ("group.id", self.group_id.clone()),
            ("enable.auto.commit", self.enable_autocommit.to_string()),
            ("auto.offset.reset", self.reset_policy.name().to_owned()),
        ];
        properties.extend(self.group_instance_id.clone().map(|id| ("group.instance.id", id)));
        properties.extend(self.session_timeout.map(|timeout| ("session.timeout.ms", timeout.to_string())));
        match self.group_protocol {
            Protocol::Classic => {
                properties.push(("partition.assignment.strategy", self.assignment_strategy.clone()));
            }
            Protocol::Consumer => {
                properties.push(("group.protocol", "consumer".to_owned()));
                properties
                    .extend(self.group_remote_assignor.clone().map(|name| ("group.remote.assignor", name)));
            }
        }
        properties
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn parse(line: &str) -> (u8, VerifiableConsumerArgs) {
        let cli =
            Cli::try_parse_from(["milena", "verifiable-consumer"].into_iter().chain(line.split_whitespace()));
        let cli = cli.unwrap_or_else(|error| panic!("{error}"));
        let Command::VerifiableConsumer(args) = cli.command else { panic!("{line}") };
        (cli.verbose, args)
    }

    #[test]
    fn the_line_that_kafkas_suite_builds_for_a_classic_member() {
        let (verbose, args) = parse(
            "--verbose --group-instance-id test-instance-1 --assignment-strategy \
             org.apache.kafka.clients.consumer.RangeAssignor --enable-autocommit --bootstrap-server a:1,b:2 \
             --reset-policy none --group-id test_group_id --topic test_topic --session-timeout 10000 \
             --max-messages -1 --close-timeout 15000 --command-config /mnt/file",
        );
        assert_eq!(verbose, 1);
        assert_eq!((args.max_messages, args.close_timeout), (-1, 15_000));
        assert_eq!(args.connection.bootstrap_server.as_deref(), Some("a:1,b:2"));
        let wanted = [
            ("group.id", "test_group_id"),
            ("enable.auto.commit", "true"),
            ("auto.offset.reset", "none"),
            ("group.instance.id", "test-instance-1"),
            ("session.timeout.ms", "10000"),
            ("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor"),
        ];
        assert_eq!(args.properties(), wanted.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn a_member_of_the_consumer_protocol_names_no_assignor_of_its_own() {
        let (_, args) =
            parse("--group-protocol CONSUMER --group-remote-assignor uniform --group-id g --topic t");
        let names: Vec<_> = args.properties().into_iter().map(|(key, _)| key).collect();
        assert_eq!(
            names,
            [
                "group.id",
                "enable.auto.commit",
                "auto.offset.reset",
                "group.protocol",
                "group.remote.assignor"
            ]
        );
    }

    #[test]
    fn what_older_suites_say_is_understood() {
        let (_, args) = parse("--broker-list a:1 --consumer.config f --group-id g --topic t");
        assert_eq!(args.connection.bootstrap_server.as_deref(), Some("a:1"));
        assert_eq!(args.consumer_config, Some("f".into()));
        assert_eq!(args.close_timeout, 30_000);
        assert_eq!(args.properties()[1], ("enable.auto.commit", "false".to_owned()));
    }
}
