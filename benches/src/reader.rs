//! The table of readers: each client, how it is built, how it is run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use xtask::{Error, Result};

use crate::java;

/// One client, in one way of using it. Each run is a process of its own that prints one line of JSON.
#[derive(Debug, Clone, Copy)]
pub struct Reader {
    /// How it is called in tables.
    pub name: &'static str,
    /// Whether it takes part if nobody is named.
    pub is_default: bool,
    /// It takes so long that one pass is enough to know.
    pub is_slow: bool,
    /// What it can do beside reading the partitions of one broker that it is told.
    pub can: Can,
    program: Program,
}

/// What a client can do.
#[derive(Debug, Clone, Copy)]
pub struct Can {
    /// Join a group, by whichever protocol.
    pub join: bool,
    /// Read from several brokers.
    pub many_brokers: bool,
    /// Hand over a message as it comes, without waiting for more.
    pub one_by_one: bool,
}

#[derive(Debug, Clone, Copy)]
enum Program {
    /// A binary of this package.
    Ours(&'static str, &'static [&'static str]),
    /// A binary of a package under `peers`.
    Cargo {
        package: &'static str,
        binary: &'static str,
        args: &'static [&'static str],
    },
    Java,
    Go,
}

const ALL: Can = Can { join: true, many_brokers: true, one_by_one: true };

const fn ours(name: &'static str, args: &'static [&'static str]) -> Reader {
    let program = Program::Ours("milena-batches", args);
    Reader { name, is_default: true, is_slow: false, can: ALL, program }
}

const fn cargo(
    name: &'static str,
    package: &'static str,
    binary: &'static str,
    args: &'static [&'static str],
) -> Reader {
    let program = Program::Cargo { package, binary, args };
    Reader { name, is_default: true, is_slow: false, can: ALL, program }
}

/// Every reader; ratios are to the first. A new one needs a line here, and a `Program` if it is written in a new language.
pub const READERS: [Reader; 16] = [
    ours("milena batches", &[]),
    ours("milena records", &["--records"]),
    Reader {
        can: Can { join: false, many_brokers: false, one_by_one: true },
        program: Program::Ours("bound", &[]),
        ..ours("bound (one thread, one connection)", &[])
    },
    Reader { can: Can { join: false, ..ALL }, ..cargo("rskafka", "rskafka", "read-rskafka", &[]) },
    cargo("krafka tuned + jemalloc", "krafka", "read-krafka-jemalloc", &["tuned"]),
    Reader { is_slow: true, ..cargo("krafka default", "krafka", "read-krafka", &["default"]) },
    Reader { program: Program::Go, ..ours("franz-go gogc=400", &[]) },
    Reader { program: Program::Java, ..ours("java", &[]) },
    Reader {
        can: Can { one_by_one: false, ..ALL },
        ..cargo("librdkafka batch + jemalloc", "rdkafka", "read-rdkafka-jemalloc", &["batch"])
    },
    cargo("confluent-kafka (Rust)", "confluent", "read-confluent", &[]),
    cargo("rdkafka StreamConsumer", "rdkafka", "read-rdkafka", &["auto"]),
    Reader {
        is_default: false,
        ..cargo("rdkafka StreamConsumer + jemalloc", "rdkafka", "read-rdkafka-jemalloc", &["auto"])
    },
    Reader {
        is_default: false,
        ..cargo("rdkafka StreamConsumer, store_offset", "rdkafka", "read-rdkafka", &["store"])
    },
    Reader {
        is_default: false,
        can: Can { one_by_one: false, ..ALL },
        ..cargo("librdkafka batch", "rdkafka", "read-rdkafka", &["batch"])
    },
    Reader { is_default: false, ..cargo("krafka tuned", "krafka", "read-krafka", &["tuned"]) },
    Reader { is_default: false, ..ours("milena batches, one thread", &["--one-thread"]) },
];

impl Reader {
    /// Those whose names begin so; all of them for `all`. Milena's batches are always among them: ratios are to them.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn picked(names: &str) -> Result<Vec<Reader>> {
        for name in names.split(',') {
            if name != "all" && !READERS.iter().any(|reader| reader.name.starts_with(name)) {
                return Err(Error::new(format!("no reader is called {name}")));
            }
        }
        let is_wanted =
            |reader: &Reader| names.split(',').any(|name| name == "all" || reader.name.starts_with(name));
        let picked =
            READERS.into_iter().enumerate().filter(|(index, reader)| *index == 0 || is_wanted(reader));
        Ok(picked.map(|(_, reader)| reader).collect())
    }

    /// Those that take part if nobody is named.
    #[must_use]
    pub fn usual() -> Vec<Reader> {
        READERS.into_iter().filter(|reader| reader.is_default).collect()
    }

    /// Whether it is one of ours, and so no peer.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        matches!(self.program, Program::Ours(..))
    }

    /// Whether it runs in a JVM, whose start is not the client's.
    #[must_use]
    pub fn is_java(&self) -> bool {
        matches!(self.program, Program::Java)
    }

    /// Compiles it, if it is not part of this package.
    ///
    /// # Errors
    /// A compiler is missing or says no.
    pub fn build(&self) -> Result<()> {
        match self.program {
            Program::Ours(..) => Ok(()),
            Program::Cargo { package, .. } => {
                let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
                let mut build = Command::new(cargo);
                build
                    .args(["build", "--quiet", "--release", "--locked"])
                    .arg("--target-dir")
                    .arg(peer_target(package));
                succeed(build.current_dir(peer(package)), package)
            }
            Program::Java => java::classes().map(drop),
            Program::Go => {
                let mut build = Command::new("go");
                build.arg("build").arg("-o").arg(peer_target("franz-go").join("read-franz-go"));
                succeed(build.current_dir(peer("franz-go")), "franz-go")
            }
        }
    }

    /// The command that reads `records` of `topic`: as the only member of `group`, or its partitions without one.
    ///
    /// # Errors
    /// A program is not there.
    pub fn command(
        &self,
        bootstrap: &str,
        topic: &str,
        group: Option<&str>,
        records: u64,
        partitions: i32,
    ) -> Result<Command> {
        let mut command = match self.program {
            Program::Ours(binary, args) => {
                let mut command = Command::new(beside_us(binary)?);
                command.args(args);
                command
            }
            Program::Cargo { package, binary, args } => {
                let mut command = Command::new(peer_target(package).join("release").join(binary));
                command.args(args);
                command
            }
            // A quarter of the default heap of this machine would be gigabytes; 512 MiB is no limit for what it reads.
            Program::Java => java::command("ReadJava", &["-Xmx512m", "-XX:+UseParallelGC"])?,
            Program::Go => Command::new(peer_target("franz-go").join("read-franz-go")),
        };
        command.args([bootstrap, topic, group.unwrap_or("-"), &records.to_string(), &partitions.to_string()]);
        command.stdin(Stdio::null());
        Ok(command)
    }
}

fn succeed(build: &mut Command, what: &str) -> Result<()> {
    let status = build.stdin(Stdio::null()).status();
    let status = status.map_err(|error| Error::new(format!("cannot build {what}: {error}")))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("{what} does not compile: {status}"))) }
}

/// The directory of a peer's sources.
#[must_use]
pub fn peer(name: &str) -> PathBuf {
    xtask::root().join("benches").join("peers").join(name)
}

fn peer_target(name: &str) -> PathBuf {
    xtask::root().join("target").join("peers").join(name)
}

/// Another binary of this package: cargo builds them all into one directory.
///
/// # Errors
/// It is not there.
pub fn beside_us(name: &str) -> Result<PathBuf> {
    let us = env::current_exe().map_err(|error| Error::new(format!("no path of our own: {error}")))?;
    let path = us.parent().unwrap_or(Path::new(".")).join(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(Error::new(format!("{name} is not built: run cargo xtask bench")))
    }
}
