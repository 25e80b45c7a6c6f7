//! The Java programs under `peers/java`, compiled into the cache.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use xtask::kafka::{Version, jars, java};
use xtask::{Error, Result, cache};

use crate::reader::peer;

/// A command that runs `class` with Java's newest client, and these arguments to the JVM.
///
/// # Errors
/// There is no `javac`, or it says no.
pub fn command(class: &str, jvm: &[&str]) -> Result<Command> {
    let mut path = classes()?.into_os_string();
    path.push(":");
    path.push(jars::broker(Version::NEWEST)?.join("*"));
    let mut command = Command::new(java());
    command.args(jvm).arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn").arg("-cp").arg(path).arg(class);
    command.stdin(Stdio::null());
    Ok(command)
}

/// The compiled classes, under a name that changes with the sources.
///
/// # Errors
/// There is no `javac`, or it says no.
pub fn classes() -> Result<PathBuf> {
    let sources = ["ReadJava.java", "WriteTopic.java"].map(|file| peer("java").join(file));
    let mut hash = DefaultHasher::new();
    for file in &sources {
        fs::read(file)
            .map_err(|error| Error::new(format!("cannot read {}: {error}", file.display())))?
            .hash(&mut hash);
    }
    let libs = jars::broker(Version::NEWEST)?;
    cache::directory(&format!("java-benches-{}-{:016x}", Version::NEWEST, hash.finish()), |half| {
        let mut path = OsString::from(&libs);
        path.push("/*");
        let mut javac = Command::new("javac");
        javac.args(["-encoding", "UTF-8", "-d"]).arg(half).arg("-cp").arg(path).args(&sources);
        let status = javac.stdin(Stdio::null()).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Error::new(format!("javac ends with {status}"))),
            Err(error) => Err(Error::new(format!("cannot run javac: {error}"))),
        }
    })
}
