//! Other people's clients under `tests/clients`: installed once, into the cache, at the versions written there.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache;
use crate::error::{Context, Result};
use crate::java::succeed;

/// A command that runs a script of `tests/clients/python` with its packages.
///
/// # Errors
/// There is no `python3` with venv, or pip fails.
pub fn python(script: &str) -> Result<Command> {
    let directory = directory("python");
    let wanted = directory.join("requirements.txt");
    let home = cache::directory(&keyed("python", &[&wanted])?, |half| {
        run("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(half))?;
        run(
            "pip install",
            Command::new(half.join("bin/python")).args(["-m", "pip", "install", "-q", "-r"]).arg(&wanted),
        )
    })?;
    let mut command = Command::new(home.join("bin").join("python"));
    command.arg(directory.join(script)).stdin(Stdio::null());
    Ok(command)
}

/// A command that runs a script of `tests/clients/node` with its packages.
///
/// # Errors
/// There is no `npm`, or it fails.
pub fn node(script: &str) -> Result<Command> {
    let directory = directory("node");
    let wanted = directory.join("package.json");
    let home = cache::directory(&keyed("node", &[&wanted])?, |half| {
        fs::copy(&wanted, half.join("package.json")).context(|| "package.json".to_owned())?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent"]);
        run("npm install", npm.current_dir(half))
    })?;
    let mut command = Command::new("node");
    command.arg(directory.join(script)).env("NODE_PATH", home.join("node_modules")).stdin(Stdio::null());
    Ok(command)
}

/// A command that runs the program of `tests/clients/go`.
///
/// # Errors
/// There is no `go`, or it does not compile.
pub fn go() -> Result<Command> {
    let directory = directory("go");
    let sources = ["go.mod", "go.sum", "writer.go"].map(|file| directory.join(file));
    let sources: Vec<&Path> = sources.iter().map(PathBuf::as_path).collect();
    let home = cache::directory(&keyed("go", &sources)?, |half| {
        run(
            "go build",
            Command::new("go").args(["build", "-o"]).arg(half.join("writer")).current_dir(&directory),
        )
    })?;
    let mut command = Command::new(home.join("writer"));
    command.stdin(Stdio::null());
    Ok(command)
}

fn directory(language: &str) -> PathBuf {
    crate::root().join("tests").join("clients").join(language)
}

/// A name in the cache that changes with the files.
fn keyed(what: &str, files: &[&Path]) -> Result<String> {
    let mut hash = DefaultHasher::new();
    for file in files {
        fs::read(file).context(|| format!("cannot read {}", file.display()))?.hash(&mut hash);
    }
    Ok(format!("{what}-{:016x}", hash.finish()))
}

fn run(what: &str, command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().context(|| format!("cannot run {what}"))?;
    succeed(what, &output)
}
