//! Quick starts: what one start of a version leaves for all later ones.
//!
//! A JVM spends most of a broker's start on loading classes. An archive of the loaded classes (JEP 350) halves that, and
//! a copy of what `kafka-storage format` writes saves a second JVM per node.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsString;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::Version;
use super::cluster::{Kafka, java};
use super::options::Options;
use crate::cache;
use crate::error::{Context, Result};

const ARCHIVE: &str = "classes.jsa";
const META: &str = "meta.properties";
const BOOTSTRAP: &str = "bootstrap.checkpoint";

/// How a cluster starts.
#[derive(Debug, Clone)]
pub(crate) enum Start {
    /// With what an earlier start left in this directory.
    Warm(PathBuf),
    /// From nothing, leaving it there.
    Cold(PathBuf),
}

impl Start {
    /// A warm start; the first of a version trains one.
    pub(crate) fn warm(version: Version, libs: &Path) -> Result<Start> {
        let mut hash = DefaultHasher::new();
        libs.hash(&mut hash);
        java_version().hash(&mut hash);
        let name = format!("warm-{version}-{:016x}", hash.finish());
        let directory = cache::directory(&name, |half| {
            let kafka = Kafka::train(Options::new(version), half)?;
            kafka.create_topic("warm", 1, 1, &[])?;
            kafka.coordinator("warm")?;
            if version.is_kraft() {
                for file in [META, BOOTSTRAP] {
                    let from = kafka.data_dir(1).join(file);
                    fs::copy(&from, half.join(file)).context(|| format!("cannot copy {}", from.display()))?;
                }
            }
            // The archive is written when the JVM ends by itself.
            kafka.stop(1)
        })?;
        Ok(Start::Warm(directory))
    }

    /// The JVM's arguments. An archive that does not fit is ignored by the JVM.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let (option, directory) = match self {
            Start::Warm(directory) => ("-XX:SharedArchiveFile=", directory),
            Start::Cold(directory) => ("-XX:ArchiveClassesAtExit=", directory),
        };
        let mut argument = OsString::from(option);
        argument.push(directory.join(ARCHIVE));
        vec![argument, "-Xlog:cds=off".into(), "-Xlog:cds+dynamic=off".into()]
    }

    /// Formats a node's data directory by copying; false if there is nothing to copy.
    pub(crate) fn format(&self, data: &Path, node: i32, cluster: &str) -> Result<bool> {
        let Start::Warm(directory) = self else { return Ok(false) };
        let Ok(template) = fs::read_to_string(directory.join(META)) else { return Ok(false) };
        let meta = meta_of(&template, node, cluster);
        fs::write(data.join(META), meta).context(|| format!("cannot write {META}"))?;
        fs::copy(directory.join(BOOTSTRAP), data.join(BOOTSTRAP))
            .context(|| format!("cannot write {BOOTSTRAP}"))?;
        Ok(true)
    }
}

/// The template with another node's id, cluster and directory.
fn meta_of(template: &str, node: i32, cluster: &str) -> String {
    let mut meta = String::new();
    for line in template.lines() {
        match line.split_once('=') {
            Some(("node.id", _)) => meta.push_str(&format!("node.id={node}")),
            Some(("cluster.id", _)) => meta.push_str(&format!("cluster.id={cluster}")),
            // Any id, but one of its own: 21 digits of base64 and one of two bits.
            Some(("directory.id", _)) => {
                meta.push_str(&format!("directory.id=dir{node:03}{}A", &cluster[6..21]))
            }
            _ => meta.push_str(line),
        }
        meta.push('\n');
    }
    meta
}

/// What `java -version` says: an archive is good for the JVM that wrote it.
fn java_version() -> Vec<u8> {
    let output = Command::new(java()).arg("-version").stdin(Stdio::null()).output();
    output.map(|output| output.stderr).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_node_gets_an_id_of_its_own() {
        let template = "#\n#date\nnode.id=1\ndirectory.id=LqOWoUJgO30xcNC20Pi6fA\nversion=1\ncluster.id=x\n";
        let cluster = "milena000000001000002A";
        let meta = meta_of(template, 3, cluster);
        assert_eq!(
            meta,
            "#\n#date\nnode.id=3\ndirectory.id=dir003000000001000002A\nversion=1\ncluster.id=milena000000001000002A\n"
        );
    }
}
