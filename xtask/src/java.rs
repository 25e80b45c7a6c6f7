//! The repository's own Java programs, compiled once per version of Java's client.

use std::collections::hash_map::DefaultHasher;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::cache;
use crate::error::{Context, Error, Result};
use crate::kafka::{Version, jars, java};

/// Which of the programs under `tests/java`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sources {
    /// For every client from 2.1 on.
    Any,
    /// For [`Version::LAST_3`] and [`Version::NEWEST`]: names internal classes.
    Newest,
    /// For clients of 0.9 and 0.10.
    Old,
}

impl Sources {
    fn name(self) -> &'static str {
        match self {
            Sources::Any => "any",
            Sources::Newest => "newest",
            Sources::Old => "old",
        }
    }
}

/// A command that runs `class` with the jars of a broker of `version`, or of that client where there is no broker.
///
/// # Errors
/// There is no `javac`, or the program does not compile against that version.
pub fn command(sources: Sources, version: Version, class: &str) -> Result<Command> {
    let libs = if version >= Version::OLDEST { jars::broker(version)? } else { jars::clients(version)? };
    let classes = classes(sources, version, &libs)?;
    let mut path = classes.into_os_string();
    path.push(":");
    path.push(libs.join("*"));
    let mut command = Command::new(java());
    // Java's clients before 4.0 log through log4j 1, which complains without this.
    let log4j = crate::root().join("tests").join("java").join("log4j.properties");
    command
        .arg(format!("-Dlog4j.configuration=file:{}", log4j.display()))
        .args([
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Xmx256m",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        ])
        .arg("-cp")
        .arg(path)
        .arg(class)
        .stdin(Stdio::null());
    Ok(command)
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// It fails; the error holds what it said on standard error.
pub fn run<I, S>(sources: Sources, version: Version, class: &str, arguments: I) -> Result<String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let output = command(sources, version, class)?
        .args(arguments)
        .output()
        .context(|| format!("cannot run {class}"))?;
    succeed(class, &output)?;
    String::from_utf8(output.stdout).context(|| format!("{class} prints no UTF-8"))
}

pub(crate) fn succeed(what: &str, output: &Output) -> Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = words.lines().rev().take(30).collect();
    let said: Vec<&str> = said.into_iter().rev().collect();
    Err(Error::new(format!("{what} ends with {}:\n{}", output.status, said.join("\n"))))
}

/// The directory `tests/java` of the work tree that this was built from.
fn directory(sources: Sources) -> PathBuf {
    crate::root().join("tests").join("java").join(sources.name())
}

/// The compiled classes: kept in the cache under a name that changes with the sources.
fn classes(sources: Sources, version: Version, libs: &Path) -> Result<PathBuf> {
    let directory = directory(sources);
    let entries = fs::read_dir(&directory).context(|| format!("cannot read {}", directory.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "java"));
    files.sort();
    let mut hash = DefaultHasher::new();
    for file in &files {
        fs::read(file).context(|| format!("cannot read {}", file.display()))?.hash(&mut hash);
    }
    let name = format!("java-{}-{version}-{:016x}", sources.name(), hash.finish());
    cache::directory(&name, |half| {
        let mut path = OsString::from(libs);
        path.push("/*");
        let output = Command::new("javac")
            .args(["-nowarn", "-Xlint:none", "-encoding", "UTF-8", "-d"])
            .arg(half)
            .arg("-cp")
            .arg(path)
            .args(&files)
            .stdin(Stdio::null())
            .output()
            .context(|| "cannot run javac (Debian: apt-get install openjdk-17-jdk-headless)".to_owned())?;
        succeed("javac", &output)
    })
}
