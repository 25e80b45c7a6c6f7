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
    program: Program,
}

#[derive(Debug, Clone, Copy)]
enum Program {
    Milena(&'static [&'static str]),
    Rdkafka { binary: &'static str, offsets: &'static str },
    Java,
}

/// Every reader; ratios are to the first. A new one needs a line here, and a `Program` if it is a new client.
pub const READERS: [Reader; 6] = [
    Reader { name: "milena batches", program: Program::Milena(&[]) },
    Reader { name: "milena records", program: Program::Milena(&["--records"]) },
    Reader { name: "rdkafka", program: Program::Rdkafka { binary: "read-rdkafka", offsets: "auto" } },
    Reader {
        name: "rdkafka + jemalloc",
        program: Program::Rdkafka { binary: "read-rdkafka-jemalloc", offsets: "auto" },
    },
    Reader {
        name: "rdkafka + jemalloc, store_offset",
        program: Program::Rdkafka { binary: "read-rdkafka-jemalloc", offsets: "store" },
    },
    Reader { name: "java", program: Program::Java },
];

/// Compiles all that is not part of this package.
///
/// # Errors
/// A compiler is missing or says no.
pub fn build() -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--release", "--locked"]).arg("--target-dir").arg(peer_target("rdkafka"));
    build.current_dir(peer("rdkafka")).stdin(Stdio::null());
    let status = build.status().map_err(|error| Error::new(format!("cannot run cargo: {error}")))?;
    if !status.success() {
        return Err(Error::new(format!("the rdkafka peer does not compile: {status}")));
    }
    java::classes().map(drop)
}

impl Reader {
    /// The command that reads `records` of `topic`, as the only member of `group`.
    ///
    /// # Errors
    /// A program is not there.
    pub fn command(
        &self,
        bootstrap: &str,
        topic: &str,
        group: &str,
        records: u64,
        partitions: i32,
    ) -> Result<Command> {
        let mut command = match self.program {
            Program::Milena(how) => {
                let mut command = Command::new(beside_us("milena-batches")?);
                command.args(how);
                command
            }
            Program::Rdkafka { binary, offsets } => {
                let mut command = Command::new(peer_target("rdkafka").join("release").join(binary));
                command.arg(offsets);
                command
            }
            // A quarter of the default heap of this machine would be gigabytes; 512 MiB is no limit for what it reads.
            Program::Java => java::command("ReadJava", &["-Xmx512m", "-XX:+UseParallelGC"])?,
        };
        command
            .args([bootstrap, topic, group, &records.to_string(), &partitions.to_string()])
            .stdin(Stdio::null());
        Ok(command)
    }
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
fn beside_us(name: &str) -> Result<PathBuf> {
    let us = env::current_exe().map_err(|error| Error::new(format!("no path of our own: {error}")))?;
    let path = us.parent().unwrap_or(Path::new(".")).join(name);
    if path.exists() {
        Ok(path)
    } else {
        Err(Error::new(format!("{name} is not built: run cargo xtask bench")))
    }
}
