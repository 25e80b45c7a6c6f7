//! `cargo xtask worlds`: small worlds to their ends, and the defects that they must find.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use super::{USAGE, succeed};
use crate::error::{Context, Error, Result};

/// Where the machines are, and below it what is planted in them.
const PROTO: &str = "crates/milena-proto";
const DEFECTS: &str = "tests/worlds/defects";

/// Far more states than any of these worlds has.
const ALL_STATES: &str = "100000000";
/// A defect shows among so many of the nearest ones of some world. The nearest of all worlds come first: most need no more.
const NEAR_STATES: [&str; 3] = ["300", "3000", "20000"];

/// What is wrong in a copy of the sources.
pub struct Defect {
    /// For lists.
    pub name: String,
    /// In words.
    pub what: String,
    /// The file, below `crates/milena-proto`.
    pub file: PathBuf,
    /// What stands there once, ...
    pub right: String,
    /// ... and what is put in its place.
    pub wrong: String,
}

pub(super) fn run(mut args: VecDeque<String>) -> Result<()> {
    match (args.pop_front().as_deref(), args.pop_front()) {
        (None, None) => {
            let mut test = test(&crate::root());
            test.args(["--release", "--", "--nocapture", "no_interleaving"]);
            succeed(test.env("MILENA_WORLDS_STATES", ALL_STATES))
        }
        (Some("--defects"), only) => defects(only.as_deref()),
        _ => Err(Error::new(USAGE)),
    }
}

fn test(root: &Path) -> Command {
    let mut test = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    test.args(["test", "--quiet", "--package", "milena-proto", "--test", "worlds"]).current_dir(root);
    test.env("RUST_BACKTRACE", "0");
    test
}

/// Plants each in a copy of the sources, and walks until it shows.
fn defects(only: Option<&str>) -> Result<()> {
    let copy = crate::root().join("target/worlds");
    copy_sources(&copy)?;
    let mut missed = Vec::new();
    for defect in planted()?.into_iter().filter(|defect| only.is_none_or(|only| only == defect.name)) {
        let file = copy.join(PROTO).join(&defect.file);
        let sources = fs::read_to_string(&file).context(|| file.display().to_string())?;
        let broken = sources.replacen(&defect.right, &defect.wrong, 1);
        fs::write(&file, broken).context(|| file.display().to_string())?;
        println!("== {}: {}", defect.name, defect.what);
        let found = NEAR_STATES.into_iter().find_map(|states| trace(&copy, states).transpose());
        fs::write(&file, sources).context(|| file.display().to_string())?;
        match found.transpose()? {
            Some(trace) => println!("{trace}"),
            None => {
                println!("it does not show");
                missed.push(defect.name);
            }
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(Error::new(format!("not found: {}", missed.join(", ")))) }
}

/// Walks through the nearest states of each world in the copy. What is said of the first violation, if there is one.
fn trace(copy: &Path, states: &str) -> Result<Option<String>> {
    let mut walk = test(copy);
    walk.args(["--", "--nocapture", "no_interleaving"]);
    walk.env("MILENA_WORLDS_STATES", states).env("CARGO_TARGET_DIR", target()).stderr(Stdio::piped());
    let walked = walk.output().context(|| "cargo test".to_owned())?;
    if walked.status.success() {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&walked.stderr);
    // What follows the panic of the test itself is the trace; machines may have panicked before.
    let Some((_, trace)) = said.rsplit_once("tests/worlds/main.rs") else {
        return Err(Error::new(format!("the copy cannot be tested: {said}")));
    };
    let lines: Vec<&str> = trace.lines().skip(1).take_while(|line| !line.starts_with("note:")).collect();
    Ok(Some(lines.join("\n")))
}

/// Where the workspace is built: what others have written is compiled only once.
fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| crate::root().join("target"), PathBuf::from)
}

/// What is planted, in the order of names.
///
/// # Errors
/// A file cannot be read, or does not say what it must.
pub fn planted() -> Result<Vec<Defect>> {
    let folder = crate::root().join(PROTO).join(DEFECTS);
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&folder).context(|| folder.display().to_string())? {
        files.push(entry.context(|| folder.display().to_string())?.path());
    }
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Result<Defect> {
    let text = fs::read_to_string(file).context(|| file.display().to_string())?;
    let parts = || {
        let (head, change) = text.split_once("<<<<\n")?;
        let (what, path) = head.trim().split_once('\n')?;
        let (right, rest) = change.split_once("====\n")?;
        let (wrong, _) = rest.split_once(">>>>")?;
        let name = file.file_stem()?.to_string_lossy().into_owned();
        let (what, right, wrong) = (what.to_owned(), right.to_owned(), wrong.to_owned());
        Some(Defect { name, what, file: path.into(), right, wrong })
    };
    parts().ok_or_else(|| Error::new(format!("{}: no defect", file.display())))
}

/// Everything that git knows of, as it lies here; what did not change keeps its time.
fn copy_sources(to: &Path) -> Result<()> {
    let root = crate::root();
    let mut listing = Command::new("git");
    listing.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(&root);
    let listing = listing.output().context(|| "git ls-files".to_owned())?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let mut listed: Vec<&str> = listing.split('\0').filter(|file| !file.is_empty()).collect();
    listed.retain(|file| !file.starts_with("testdata/") && root.join(file).is_file());
    for file in listed {
        let (from, to) = (root.join(file), to.join(file));
        let text = fs::read(&from).context(|| from.display().to_string())?;
        if fs::read(&to).is_ok_and(|there| there == text) {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).context(|| folder.display().to_string())?;
        }
        fs::write(&to, text).context(|| to.display().to_string())?;
    }
    Ok(())
}
