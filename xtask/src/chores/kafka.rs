//! `cargo xtask kafka`: a cluster that stays up until it is told to go.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{USAGE, options};
use crate::cache;
use crate::error::{Context, Error, Result};
use crate::kafka::{Kafka, Options, Version, terminate};

/// Longest wait for an orderly stop.
const STOP: Duration = Duration::from_secs(30);

pub(super) fn run(mut args: VecDeque<String>) -> Result<()> {
    let verb = args.pop_front().unwrap_or_default();
    match verb.as_str() {
        "up" => up(args),
        "down" => down(args),
        "status" => status(),
        _ => Err(Error::new(USAGE)),
    }
}

fn up(args: VecDeque<String>) -> Result<()> {
    let (mut version, mut nodes, mut name) = (Version::NEWEST, 1, "default".to_owned());
    let mut properties = Vec::new();
    options(args, |option, value| {
        match option {
            "--version" => version = value.parse()?,
            "--nodes" => nodes = value.parse().context(|| format!("--nodes {value}"))?,
            "--name" => name = value,
            "--property" => match value.split_once('=') {
                Some((key, value)) => properties.push((key.to_owned(), value.to_owned())),
                None => return Err(Error::new("--property takes key=value")),
            },
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let file = state_file(&name)?;
    if let Some(old) = State::read(&file).filter(|old| !old.living().is_empty()) {
        return Err(Error::new(format!("{name} is up already: {}", old.bootstrap)));
    }
    let mut wanted = Options::new(version).nodes(nodes);
    for (key, value) in properties {
        wanted = wanted.property(key, value);
    }
    let kafka = Kafka::start_loose(wanted)?;
    let bootstrap = kafka.bootstrap();
    let (root, pids) = kafka.let_go();
    let state = State { version: version.to_string(), bootstrap, root, pids };
    state.write(&file)?;
    println!("{}", state.bootstrap);
    Ok(())
}

fn down(args: VecDeque<String>) -> Result<()> {
    let mut name = "default".to_owned();
    options(args, |option, value| {
        let known = option == "--name";
        if known {
            name = value;
        }
        Ok(known)
    })?;
    let file = state_file(&name)?;
    let Some(state) = State::read(&file) else {
        println!("{name} is not up");
        return Ok(());
    };
    // Brokers before the ZooKeeper they say goodbye to.
    for pid in state.living().into_iter().rev() {
        terminate(pid, false)?;
        let start = Instant::now();
        while state.is_ours(pid) {
            if start.elapsed() > STOP {
                terminate(pid, true)?;
            }
            sleep(Duration::from_millis(50));
        }
    }
    if state.root.exists() {
        fs::remove_dir_all(&state.root).context(|| format!("cannot remove {}", state.root.display()))?;
    }
    fs::remove_file(&file).context(|| format!("cannot remove {}", file.display()))?;
    println!("{name} is down");
    Ok(())
}

fn status() -> Result<()> {
    let directory = cache::root()?.join("up");
    let mut names: Vec<PathBuf> = fs::read_dir(&directory)
        .map(|dir| dir.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    names.sort();
    if names.is_empty() {
        println!("nothing is up");
    }
    for file in names {
        let Some(state) = State::read(&file) else { continue };
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (living, all) = (state.living().len(), state.pids.len());
        println!("{name}: Kafka {} at {}, {living} of {all} processes live", state.version, state.bootstrap);
    }
    Ok(())
}

fn state_file(name: &str) -> Result<PathBuf> {
    if name.is_empty() || name.contains(['/', '.']) {
        return Err(Error::new(format!("{name:?} is no name for a cluster")));
    }
    let directory = cache::root()?.join("up");
    fs::create_dir_all(&directory).context(|| format!("cannot make {}", directory.display()))?;
    Ok(directory.join(name))
}

/// What `up` leaves for `down`.
#[derive(Debug, PartialEq, Eq)]
struct State {
    version: String,
    bootstrap: String,
    root: PathBuf,
    pids: Vec<u32>,
}

impl State {
    fn read(file: &Path) -> Option<State> {
        let text = fs::read_to_string(file).ok()?;
        let mut lines = text.lines();
        Some(State {
            version: lines.next()?.to_owned(),
            bootstrap: lines.next()?.to_owned(),
            root: lines.next()?.into(),
            pids: lines.map_while(|line| line.parse().ok()).collect(),
        })
    }

    fn write(&self, file: &Path) -> Result<()> {
        let mut text = format!("{}\n{}\n{}\n", self.version, self.bootstrap, self.root.display());
        for pid in &self.pids {
            text.push_str(&format!("{pid}\n"));
        }
        fs::write(file, text).context(|| format!("cannot write {}", file.display()))
    }

    /// The ids that still belong to the processes that `up` started.
    fn living(&self) -> Vec<u32> {
        self.pids.iter().copied().filter(|pid| self.is_ours(*pid)).collect()
    }

    /// Ids are used again: only a command line that names our directory is ours.
    fn is_ours(&self, pid: u32) -> bool {
        let root = self.root.to_string_lossy().into_owned();
        fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&root))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_another_command_line_is_not_ours() {
        let dir = cache::temporary("state").unwrap();
        let state = State {
            version: "4.3.1".to_owned(),
            bootstrap: "127.0.0.1:1".to_owned(),
            root: dir.clone(),
            pids: vec![std::process::id()],
        };
        let file = dir.join("state");
        state.write(&file).unwrap();
        assert_eq!(State::read(&file), Some(State { root: dir.clone(), ..state }));
        assert!(State::read(&file).unwrap().living().is_empty(), "this test is no broker");
        fs::remove_dir_all(dir).unwrap();
    }
}
