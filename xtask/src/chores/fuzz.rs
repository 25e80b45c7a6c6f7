//! `cargo xtask fuzz`: the fuzz targets, one after the other, and what they came to in `fuzz/README.md`.

use std::collections::VecDeque;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{options, succeed};
use crate::error::{Context, Error, Result};

/// Longer inputs find nothing here that shorter ones do not.
const LEN_MAX: usize = 8 << 10;
/// An input that keeps a target busy this long is a finding for libFuzzer, too.
const SECONDS_MAX: u32 = 25;
/// All that a target may take, with libFuzzer's own.
const MEMORY_MAX_MIB: u32 = 1024;

/// Fuzzes one target or all, and keeps what it found to be worth keeping.
pub(super) fn run(args: VecDeque<String>) -> Result<()> {
    let (mut only, mut minutes) = (None, 1.0_f64);
    options(args, |name, value| {
        match name {
            "--target" => only = Some(value),
            "--minutes" => minutes = value.parse().context(|| format!("--minutes {value}"))?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let targets: Vec<String> =
        targets()?.into_iter().filter(|target| only.as_ref().is_none_or(|only| only == target)).collect();
    if targets.is_empty() {
        return Err(Error::new(format!("there is no target {}", only.unwrap_or_default())));
    }
    let mut failed = Vec::new();
    for target in &targets {
        let work = crate::root().join("target/fuzz").join(target);
        fs::create_dir_all(&work).context(|| work.display().to_string())?;
        succeed(&mut cargo(&["run", "-q", "-p", "milena-hostile", "--bin", "seeds", "--", target], &work))?;
        let seconds = (minutes * 60.0).ceil().to_string();
        let before = children_cpu_seconds();
        let run = fuzz(target, &work, &["-print_final_stats=1", &format!("-max_total_time={seconds}")])?;
        let cpu_minutes = (children_cpu_seconds() - before) / 60.0;
        println!("{target}: {} executions in {cpu_minutes:.1} minutes of CPU", run.executions);
        note(target, cpu_minutes, run.executions, u64::from(!run.succeeded))?;
        if !run.succeeded {
            failed.push(target.as_str());
        }
        let merged =
            fuzz(target, &crate::root().join("fuzz/corpus").join(target), &["-merge=1", text(&work)])?;
        if !merged.succeeded {
            return Err(Error::new(format!("the corpus of {target} cannot be merged")));
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::new(format!("found something: {}; the inputs are in fuzz/artifacts", failed.join(", "))))
}

struct Run {
    executions: u64,
    succeeded: bool,
}

/// One run of libFuzzer over a corpus, and what it says at its end.
fn fuzz(target: &str, corpus: &Path, options: &[&str]) -> Result<Run> {
    fs::create_dir_all(corpus).context(|| corpus.display().to_string())?;
    let artifacts = crate::root().join("fuzz/artifacts").join(target);
    fs::create_dir_all(&artifacts).context(|| artifacts.display().to_string())?;
    let mut command = Command::new("cargo");
    // Nothing here is `unsafe` but the C of libzstd, which a sanitizer of Rust does not see: twice as many inputs without.
    command.args(["+nightly", "fuzz", "run", "--sanitizer", "none", target, text(corpus)]);
    // What is committed is built upon, and not written to.
    let committed = crate::root().join("fuzz/corpus").join(target);
    let (folders, options): (Vec<&str>, Vec<&str>) =
        options.iter().copied().partition(|option| !option.starts_with('-'));
    command.args(&folders);
    if folders.is_empty() && committed.is_dir() {
        command.arg(&committed);
    }
    command.arg("--").args(options);
    command.args([format!("-max_len={LEN_MAX}"), format!("-timeout={SECONDS_MAX}")]);
    command.arg(format!("-rss_limit_mb={MEMORY_MAX_MIB}"));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    // A mutation of the toolchain that runs this chore must not be that of the fuzzer.
    command.env_remove("RUSTUP_TOOLCHAIN").env("PATH", path()).current_dir(crate::root());
    let mut child = command.stderr(Stdio::piped()).spawn().context(|| "cargo fuzz".to_owned())?;
    let mut executions = 0;
    for line in child.stderr.take().map(BufReader::new).into_iter().flat_map(BufRead::lines) {
        let line = line.context(|| "cargo fuzz".to_owned())?;
        if let Some(number) = line.strip_prefix("stat::number_of_executed_units:") {
            executions = number.trim().parse().unwrap_or(0);
        }
        if !line.starts_with('#') {
            eprintln!("{line}");
        }
    }
    let status = child.wait().context(|| "cargo fuzz".to_owned())?;
    Ok(Run { executions, succeeded: status.success() })
}

fn cargo(arguments: &[&str], last: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).arg(last).current_dir(crate::root());
    command
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Where cargo-fuzz may lie beside the usual places: `cargo install cargo-fuzz --root ~/.cache/milena/tools`.
fn path() -> std::ffi::OsString {
    let tools = env::home_dir().unwrap_or_default().join(".cache/milena/tools/bin");
    let usual = env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = env::split_paths(&usual).chain([tools]).collect();
    env::join_paths(all).unwrap_or(usual)
}

/// The targets, from the manifest.
fn targets() -> Result<Vec<String>> {
    let path = crate::root().join("fuzz/Cargo.toml");
    let manifest = fs::read_to_string(&path).context(|| path.display().to_string())?;
    let names = manifest.split("[[bin]]").skip(1).filter_map(|bin| bin.split('"').nth(1));
    Ok(names.map(str::to_owned).collect())
}

/// Seconds that ended children of this process have had of the processor; 0 where the system does not say.
fn children_cpu_seconds() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program is in parentheses and may hold anything; `cutime` is the 14th field after it, in hundredths.
    let fields = text.rsplit_once(") ").map(|(_, fields)| fields).unwrap_or_default();
    fields.split(' ').skip(13).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Adds a run to the table of totals.
fn note(target: &str, minutes: f64, executions: u64, findings: u64) -> Result<()> {
    let path = crate::root().join("fuzz/README.md");
    let text = fs::read_to_string(&path).context(|| path.display().to_string())?;
    let added = add(&text, target, minutes, executions, findings)
        .ok_or_else(|| Error::new(format!("{} has no row for {target}", path.display())))?;
    fs::write(&path, added).context(|| path.display().to_string())
}

/// The text with the figures of a target's row raised.
fn add(text: &str, target: &str, minutes: f64, executions: u64, findings: u64) -> Option<String> {
    let mut is_found = false;
    let mut out = String::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", name, old_minutes, old_executions, old_findings, ""]
                if name.trim_matches('`') == target && !is_found =>
            {
                is_found = true;
                let minutes = old_minutes.parse::<f64>().ok()? + minutes;
                let executions = old_executions.replace(' ', "").parse::<u64>().ok()? + executions;
                let findings = old_findings.parse::<u64>().ok()? + findings;
                let executions = grouped(executions);
                out.push_str(&format!("| `{target}` | {minutes:.1} | {executions} | {findings} |"));
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    is_found.then_some(out)
}

/// Digits in threes.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_added_to_its_row_and_no_other() {
        let text = "| target | minutes |\n| `a` | 1.5 | 12 345 | 0 |\n| `ab` | 2.0 | 7 | 1 |\n";
        let added = add(text, "a", 0.5, 1_000_000, 1).unwrap();
        assert_eq!(added, "| target | minutes |\n| `a` | 2.0 | 1 012 345 | 1 |\n| `ab` | 2.0 | 7 | 1 |\n");
        assert_eq!(add(text, "b", 1.0, 1, 0), None);
    }

    #[test]
    fn every_target_has_a_row_and_a_program() {
        let targets = targets().unwrap();
        assert!(targets.len() >= 12, "{targets:?}");
        let readme = fs::read_to_string(crate::root().join("fuzz/README.md")).unwrap();
        for target in &targets {
            assert!(add(&readme, target, 0.0, 0, 0).is_some(), "{target} has no row");
            assert!(crate::root().join(format!("fuzz/fuzz_targets/{target}.rs")).is_file(), "{target}");
        }
    }
}
