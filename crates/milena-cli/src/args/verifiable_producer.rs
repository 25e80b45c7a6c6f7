//! `milena verifiable-producer`: the flags of Kafka's `org.apache.kafka.tools.VerifiableProducer`.

use std::path::PathBuf;

use clap::Args;

use super::Connection;

/// What `milena verifiable-producer` is told.
#[derive(Debug, Args)]
pub(crate) struct VerifiableProducerArgs {
    #[command(flatten)]
    pub(crate) connection: Connection,

    /// The topic to write to
    #[arg(long, value_name = "TOPIC")]
    pub(crate) topic: String,

    /// Write so many records and end; -1: never
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) max_messages: i64,

    /// Records per second, about; -1: as many as there can be
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) throughput: i64,

    /// How many replicas have to have a record before it counts as written; -1: all that are in sync
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true,
        value_parser = clap::value_parser!(i16).range(-1..=1))]
    pub(crate) acks: i16,

    /// What each value begins with, a dot behind it
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) value_prefix: Option<i32>,

    /// Timestamp of the first record, in milliseconds since 1970; -1: the time at which each is written
    #[arg(long, value_name = "MS", default_value_t = -1, allow_negative_numbers = true)]
    pub(crate) message_create_time: i64,

    /// Keys 0 to N-1 in turn; without it they are null
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeating_keys: Option<u32>,

    /// The older name of --command-config
    #[arg(long = "producer.config", value_name = "FILE", conflicts_with = "command_config", hide = true)]
    pub(crate) producer_config: Option<PathBuf>,
}

impl VerifiableProducerArgs {
    /// What the flags say, by the names of properties. Unlike the consumer's, the configuration file goes over them: Kafka's
    /// suite turns retries and idempotence on in there.
    pub(crate) fn properties(&self) -> Vec<(&'static str, String)> {
        vec![("acks", self.acks.to_string()), ("retries", "0".to_owned())]
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn parse(line: &str) -> Result<VerifiableProducerArgs, clap::Error> {
        let line = ["milena", "verifiable-producer"].into_iter().chain(line.split_whitespace());
        let Command::VerifiableProducer(args) = Cli::try_parse_from(line)?.command else {
            panic!("another command")
        };
        Ok(args)
    }

    #[test]
    fn the_line_that_kafkas_suite_builds() {
        let args = parse(
            "--topic t --bootstrap-server a:1 --max-messages 10 --throughput 500 --value-prefix 1 --acks -1 \
             --message-create-time 1000 --repeating-keys 3 --command-config f",
        );
        let args = args.unwrap();
        assert_eq!((args.max_messages, args.throughput, args.value_prefix), (10, 500, Some(1)));
        assert_eq!((args.message_create_time, args.repeating_keys), (1000, Some(3)));
        assert_eq!(args.properties(), [("acks", "-1".to_owned()), ("retries", "0".to_owned())]);
    }

    #[test]
    fn what_cannot_be() {
        for line in ["--bootstrap-server a:1", "--topic t --acks 2", "--topic t --repeating-keys 0"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
