//! Jars from Maven, kept in the cache by version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Version;
use crate::cache;
use crate::error::{Context, Error, Result};

/// Raise it when a recipe below changes, so that caches made by the old one are not used.
const RECIPE: u32 = 2;

/// The directory that holds the jars of the broker and its tools, fetched at the first call.
///
/// # Errors
/// Maven is missing or fails.
pub fn broker(version: Version) -> Result<PathBuf> {
    let scala = if version >= Version(3, 0, 0) { "2.13" } else { "2.12" };
    let mut artifacts = vec![
        format!("org.apache.kafka:kafka_{scala}:{version}"),
        format!("org.apache.kafka:kafka-tools:{version}"),
    ];
    if version < Version(2, 4, 0) {
        // The 3.4 client cannot resolve hosts on Java 14 and later.
        artifacts.push("org.apache.zookeeper:zookeeper:3.5.9".to_owned());
    }
    if version >= Version(4, 0, 0) {
        // It brings no binding along, and without one a broker that does not start says nothing.
        artifacts.push("org.slf4j:slf4j-simple:1.7.36".to_owned());
    }
    fetch(&format!("kafka-{version}"), &artifacts)
}

/// The directory that holds the jars of Java's client only.
///
/// # Errors
/// Maven is missing or fails.
pub fn clients(version: Version) -> Result<PathBuf> {
    // Before 1.0 versions have four numbers that begin with a zero.
    let number = if version.0 == 0 { format!("{version}.1") } else { version.to_string() };
    fetch(
        &format!("kafka-clients-{number}"),
        &[format!("org.apache.kafka:kafka-clients:{number}"), "org.slf4j:slf4j-nop:1.7.36".to_owned()],
    )
}

/// The directory `name` of the cache with these artifacts and all that they need at run time.
fn fetch(name: &str, artifacts: &[String]) -> Result<PathBuf> {
    cache::directory(&format!("{name}-r{RECIPE}"), |half| {
        let pom = half.join("pom.xml");
        fs::write(&pom, pom_of(artifacts)).context(|| format!("cannot write {}", pom.display()))?;
        copy_dependencies(half, artifacts)
    })
}

fn copy_dependencies(directory: &Path, artifacts: &[String]) -> Result<()> {
    let output = Command::new("mvn")
        .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", directory.display()))
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .context(|| "cannot run mvn (Debian: apt-get install maven)".to_owned())?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::new(format!(
        "mvn could not fetch {}:\n{}{}",
        artifacts.join(", "),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )))
}

fn pom_of(artifacts: &[String]) -> String {
    let mut pom = String::from(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n\
         <modelVersion>4.0.0</modelVersion>\n\
         <groupId>milena</groupId><artifactId>jars</artifactId><version>1</version>\n<dependencies>\n",
    );
    for artifact in artifacts {
        let mut parts = artifact.split(':');
        let (group, name, version) = (parts.next(), parts.next(), parts.next());
        pom.push_str(&format!(
            "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>\n",
            group.unwrap_or_default(),
            name.unwrap_or_default(),
            version.unwrap_or_default()
        ));
    }
    pom.push_str("</dependencies>\n</project>\n");
    pom
}
