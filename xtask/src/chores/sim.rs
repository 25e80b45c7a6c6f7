//! `cargo xtask sim`: worlds of the simulation, one or many; and what it makes of planted defects.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::succeed;
use crate::defects::{self, Defect};
use crate::error::{Context, Error, Result};

/// Builds the simulation as it runs fastest, and hands it the command line.
pub(super) fn run(mut args: VecDeque<String>) -> Result<()> {
    if args.front().is_some_and(|arg| arg == "--defects") {
        args.pop_front();
        return show_defects(args.into());
    }
    let mut run = Command::new(cargo());
    run.args(["run", "--quiet", "--release", "--package", "milena-sim", "--"]);
    run.args(args).current_dir(crate::root());
    succeed(&mut run)
}

fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Plants all defects in a copy of the work tree, builds it once, and looks for each of them (or for those that are named).
///
/// The copy is under `target/defects`, with a target directory of its own unless `CARGO_TARGET_DIR` names one.
fn show_defects(names: Vec<String>) -> Result<()> {
    let root = crate::root();
    let all = defects::all(&root)?;
    let copy = root.join("target/defects/tree");
    plant_all(&root, &copy, &all)?;
    let target = env::var_os("MILENA_DEFECTS_TARGET")
        .map_or_else(|| root.join("target/defects/target"), PathBuf::from);
    let mut build = Command::new(cargo());
    build.args(["build", "--quiet", "--release", "--package", "milena-sim"]);
    build.current_dir(&copy).env("CARGO_TARGET_DIR", &target);
    succeed(&mut build)?;
    let program = target.join("release/milena-sim");
    println!("| defect | repeats | found by | seeds | seconds |\n|---|---|---|---|---|");
    let mut missed = Vec::new();
    for defect in all.iter().filter(|defect| names.is_empty() || names.contains(&defect.name)) {
        let began = Instant::now();
        let found = look_for(&program, &defect.name)?;
        let took = began.elapsed().as_secs_f64();
        let Defect { name, repeats, .. } = defect;
        match found {
            Some(Found { seeds, by }) => println!("| {name} | {repeats} | {by} | {seeds} | {took:.1} |"),
            None => {
                println!("| {name} | {repeats} | **not found** | {SEEDS_MAX} | {took:.1} |");
                missed.push(name.as_str());
            }
        }
    }
    if missed.is_empty() {
        return Ok(());
    }
    Err(Error::new(format!("not found, so the simulation is too weak: {}", missed.join(", "))))
}

/// Within so many seeds a defect is to be found.
const SEEDS_MAX: u64 = 10_000;

struct Found {
    seeds: u64,
    by: String,
}

fn look_for(program: &Path, name: &str) -> Result<Option<Found>> {
    let mut run = Command::new(program);
    run.args(["--until-found", "--seeds", &SEEDS_MAX.to_string()]).env("MILENA_DEFECT", name);
    let output = run.output().context(|| format!("running {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    // "seed 7: C9 is violated at ..."
    let found = text.lines().find_map(|line| {
        let (seed, what) = line.strip_prefix("seed ")?.split_once(": ")?;
        let by = if what.starts_with("panic") { "a panic" } else { what.split_once(" is violated")?.0 };
        Some(Found { seeds: seed.parse::<u64>().ok()? + 1, by: by.to_owned() })
    });
    match (found, output.status.success()) {
        (None, false) => Err(Error::new(format!("{name}: the simulation failed without a word"))),
        (found, _) => Ok(found),
    }
}

/// Copies what the simulation is built from, with all defects in it. Files that are as they should be stay untouched, so that
/// only what has changed is built again.
fn plant_all(root: &Path, copy: &Path, all: &[Defect]) -> Result<()> {
    let mut sources = sources(root)?;
    for defect in all {
        defects::plant(&mut sources, defect)?;
    }
    if let Some(lowest) = sources.get_mut("crates/milena-records/src/lib.rs") {
        lowest.push_str(defects::SWITCH);
    }
    for (file, text) in &sources {
        let place = copy.join(file);
        if fs::read_to_string(&place).is_ok_and(|old| old == *text) {
            continue;
        }
        if let Some(folder) = place.parent() {
            fs::create_dir_all(folder).context(|| format!("making {}", folder.display()))?;
        }
        fs::write(&place, text).context(|| format!("writing {}", place.display()))?;
    }
    Ok(())
}

/// Every source and manifest of the workspace.
fn sources(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut list = Command::new("git");
    list.args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
        "*.toml",
        "Cargo.lock",
        "*.md",
    ]);
    let output = list.current_dir(root).output().context(|| "running git ls-files".to_owned())?;
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut sources = BTreeMap::new();
    for name in names.lines() {
        // What is listed and was deleted is no source.
        if let Ok(text) = fs::read_to_string(root.join(name)) {
            sources.insert(name.to_owned(), text);
        }
    }
    Ok(sources)
}
