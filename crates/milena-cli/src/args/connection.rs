//! How to reach a cluster: what all commands but `dump` are told.

use std::path::PathBuf;

use clap::Args;
use client::config::{
    ClientConfig, ConfigError, ConsumerConfig, Note, Place, ProducerConfig, Properties, Role,
};

use crate::failure::Failure;

/// How to reach a cluster.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// The brokers to ask for the others: host:port, several with commas between them
    #[arg(short, long, global = true, value_name = "HOST:PORT", aliases = ["bootstrap-servers", "broker-list"])]
    pub(crate) bootstrap_server: Option<String>,

    /// A setting by the name that Kafka's Java clients have for it; again for more
    #[arg(long = "property", global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) properties: Vec<(String, String)>,

    /// A properties file of Kafka's Java clients; flags and --property go over what it says
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) command_config: Option<PathBuf>,
}

impl Connection {
    /// The settings of a client that neither reads nor writes.
    ///
    /// # Errors
    /// A setting cannot be, or the file cannot be read.
    pub(crate) fn client(&self) -> Result<ClientConfig, Failure> {
        let properties = self.properties(&[], &[])?;
        say(&properties.notes(Role::Client));
        properties.into_client().map_err(|error| self.explain(error))
    }

    /// The settings of a reader. `flags` replace what was given under their names, `defaults` are for what was not given.
    ///
    /// # Errors
    /// As for [`client`](Self::client).
    pub(crate) fn consumer(
        &self,
        flags: &[(&str, &str)],
        defaults: &[(&str, &str)],
    ) -> Result<ConsumerConfig, Failure> {
        let properties = self.properties(flags, defaults)?;
        say(&properties.notes(Role::Consumer));
        properties.into_consumer().map_err(|error| self.explain(error))
    }

    /// The settings of a writer, from the same places as a reader's.
    ///
    /// # Errors
    /// As for [`client`](Self::client).
    pub(crate) fn producer(
        &self,
        flags: &[(&str, &str)],
        defaults: &[(&str, &str)],
    ) -> Result<ProducerConfig, Failure> {
        let properties = self.properties(flags, defaults)?;
        say(&properties.notes(Role::Producer));
        properties.into_producer().map_err(|error| self.explain(error))
    }

    fn properties(&self, flags: &[(&str, &str)], defaults: &[(&str, &str)]) -> Result<Properties, Failure> {
        let pairs = |pairs: &[(&str, &str)]| Properties::from_pairs(pairs.iter().copied());
        let file = match &self.command_config {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
                Properties::parse(&text)
            }
            None => Ok(Properties::default()),
        };
        let file = file.map_err(|error| self.explain(error))?;
        let given = Properties::from_pairs(self.properties.iter().cloned());
        let given = given.map_err(|error| self.explain(error))?;
        let bootstrap: Vec<_> =
            self.bootstrap_server.iter().map(|servers| (BOOTSTRAP, servers.as_str())).collect();
        let all = pairs(defaults)
            .map(|defaults| defaults.overridden_by(file).overridden_by(given))
            .and_then(|so_far| Ok(so_far.overridden_by(pairs(&bootstrap)?).overridden_by(pairs(flags)?)));
        all.map_err(|error| self.explain(error))
    }

    /// Says where a setting that cannot be comes from.
    fn explain(&self, error: ConfigError) -> Failure {
        let place = match &error {
            ConfigError::Unknown { place, .. } | ConfigError::Duplicate { second: place, .. } => Some(*place),
            ConfigError::Syntax { line, .. } => Some(Place::Line(*line)),
            _ => None,
        };
        match (place, &self.command_config) {
            (Some(Place::Pair(_)), _) => {
                // Which of them it is shows in its name.
                let text = error.to_string();
                let text = text
                    .split_once(": ")
                    .filter(|(place, _)| place.starts_with("pair "))
                    .map_or(&*text, |(_, text)| text);
                Failure::usage(format!("--property: {text}"))
            }
            (Some(Place::Line(_)), Some(path)) => Failure::usage(format!("{}: {error}", path.display())),
            _ if matches!(&error, ConfigError::Missing { key, .. } if *key == BOOTSTRAP) => {
                Failure::usage("say where the cluster is: --bootstrap-server HOST:PORT")
            }
            _ => Failure::usage(error.to_string()),
        }
    }
}

fn say(notes: &[Note]) {
    for note in notes {
        tracing::info!("{note}");
    }
}

/// `key=value`, of which the value may be empty and have more of the signs.
pub(crate) fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("use KEY=VALUE".to_owned()),
    }
}

const BOOTSTRAP: &str = "bootstrap.servers";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        connection: Connection,
    }

    fn given(args: &[&str]) -> Connection {
        Only::try_parse_from([&["milena"], args].concat()).unwrap().connection
    }

    fn refused(args: &[&str]) -> String {
        let failure = given(args).consumer(&[], &[]).unwrap_err();
        assert_eq!(failure.code(), 2);
        failure.to_string()
    }

    #[test]
    fn flags_go_over_properties_and_these_over_defaults() {
        let connection = given(&["-b", "a:1,b:2", "--property", "client.id=x=y", "--property", "group.id=p"]);
        let config = connection.consumer(&[("group.id", "flag")], &[("client.id", "default")]).unwrap();
        assert_eq!(config.client().bootstrap_servers().len(), 2);
        assert_eq!(config.client().client_id(), "x=y");
        assert_eq!(config.group().unwrap().group_id(), "flag");
        let config = given(&["-b", "a:1"]).consumer(&[], &[("client.id", "default")]).unwrap();
        assert_eq!(config.client().client_id(), "default");
    }

    #[test]
    fn a_file_is_read_and_named_in_errors() {
        let path = std::env::temp_dir().join(format!("milena-cli-{}.properties", std::process::id()));
        std::fs::write(&path, "# how to reach it\nbootstrap.servers = a:1\nfetch.wait.max.ms = 1\n").unwrap();
        let file = path.to_str().unwrap();
        let said = refused(&["--command-config", file]);
        assert_eq!(
            said,
            format!("{file}: line 3: unknown key `fetch.wait.max.ms`; did you mean `fetch.max.wait.ms`?")
        );
        std::fs::write(&path, "bootstrap.servers = a:1\nclient.id=file").unwrap();
        let config = given(&["--command-config", file]).consumer(&[], &[]).unwrap();
        assert_eq!(config.client().client_id(), "file");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_the_command_line() {
        assert_eq!(refused(&[]), "say where the cluster is: --bootstrap-server HOST:PORT");
        assert_eq!(
            refused(&["-b", "a:1", "--property", "max.poll.recods=1"]),
            "--property: unknown key `max.poll.recods`; did you mean `max.poll.records`?"
        );
        assert!(
            refused(&["-b", "a:1", "--property", "group.id=a", "--property", "group.id=b"]).contains("twice")
        );
        assert!(refused(&["-b", "a"]).contains("bootstrap.servers"), "{}", refused(&["-b", "a"]));
        assert!(Only::try_parse_from(["milena", "--property", "x"]).is_err());
        assert!(refused(&["--command-config", "/no/such/file"]).starts_with("/no/such/file: "));
    }
}
