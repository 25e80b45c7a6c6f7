//! `cargo xtask ci`: everything that must hold before a change goes in, one line per step.

use std::collections::{BTreeSet, VecDeque};
use std::env;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::corpus::Producer;
use crate::error::{Context, Error, Result};
use crate::kafka;

/// Crates that must not be able to do I/O.
const PURE: [&str; 2] = ["milena-records", "milena-proto"];

/// What a pure crate must not depend on, at any depth.
const IMPURE: [&str; 8] = ["tokio", "mio", "socket2", "rand", "rand_core", "getrandom", "async-std", "libc"];

/// What a build without a C compiler must not depend on; so must not anything that ends in `-sys`.
const NEEDS_C: [&str; 5] = ["cc", "cmake", "bindgen", "ring", "aws-lc-rs"];

/// Features with which nothing but Rust is compiled.
const NO_C: &str = "gzip,snappy,lz4,zstd-pure";

/// Packages whose tests need real brokers, and so come last.
const SYSTEM: [&str; 1] = ["milena-tests"];

/// The oldest toolchain that must compile everything; `rust-version` in the root manifest says the same.
const OLDEST_RUST: &str = "1.95.0";

/// Where code without an operating system's sockets must compile.
const WASM: &str = "wasm32-unknown-unknown";

/// One step: what to run, or why not.
struct Step {
    name: String,
    plan: Plan,
}

enum Plan {
    Run(Vec<Vec<String>>),
    /// Says how a command ended, whatever it came to.
    Tell(Vec<String>),
    /// Fails if the output of a command names one of these packages.
    Without(Vec<String>, fn(&str) -> bool),
    NotRun(String),
}

/// Runs all steps, or those whose names begin with one of the arguments, and stops at the first that fails.
pub(super) fn run(only: VecDeque<String>) -> Result<()> {
    let start = Instant::now();
    let steps: Vec<Step> = steps()?
        .into_iter()
        .filter(|step| only.is_empty() || only.iter().any(|prefix| step.name.starts_with(prefix.as_str())))
        .collect();
    let mut left_out = Vec::new();
    for step in steps {
        let began = Instant::now();
        let failure = match &step.plan {
            Plan::NotRun(why) => {
                println!("not run  {}: {why}", step.name);
                left_out.push(step.name);
                continue;
            }
            Plan::Run(commands) => commands.iter().find_map(|command| execute(command).err()),
            Plan::Tell(command) => {
                if let Err(error) = execute(command) {
                    println!("{error}");
                }
                None
            }
            Plan::Without(command, banned) => match execute(command) {
                Ok(text) => found(&text, *banned),
                Err(error) => Some(error),
            },
        };
        let seconds = began.elapsed().as_secs_f32();
        match failure {
            None => println!("{seconds:6.1} s  {}", step.name),
            Some(error) => {
                println!("{seconds:6.1} s  {} FAILED", step.name);
                return Err(error);
            }
        }
    }
    println!("{:6.1} s  all that was run has passed", start.elapsed().as_secs_f32());
    if !left_out.is_empty() {
        println!("not run: {}", left_out.join(", "));
    }
    Ok(())
}

fn steps() -> Result<Vec<Step>> {
    let packages = packages()?;
    let mut steps = vec![
        step("fmt", &[&["cargo", "fmt", "--all", "--check"]]),
        // Before hours of compiling: it takes a second.
        step("tidy", &[&["cargo", "test", "-q", "-p", "xtask", "--test", "tidy"]]),
    ];
    for package in &packages {
        let lint = |more: &[&str]| {
            let mut command = vec!["cargo", "clippy", "-q", "-p", &package.name, "--all-targets"];
            command.extend(more);
            command.extend(["--", "-D", "warnings"]);
            owned(&command)
        };
        let mut commands = vec![lint(&[])];
        if package.has_features {
            commands.extend([lint(&["--all-features"]), lint(&["--no-default-features"])]);
        }
        steps.push(Step { name: format!("clippy {}", package.name), plan: Plan::Run(commands) });
    }
    for package in &packages {
        let doc = ["cargo", "doc", "-q", "-p", &package.name, "--no-deps", "--all-features"];
        steps.push(step(&format!("doc {}", package.name), &[&doc]));
    }
    for package in packages.iter().filter(|package| !SYSTEM.contains(&package.name.as_str())) {
        let test = |more: &[&str]| {
            let mut command = vec!["cargo", "test", "-q", "-p", &package.name];
            command.extend(more);
            owned(&command)
        };
        let mut commands = vec![test(&[])];
        if package.has_features {
            commands.push(test(&["--all-features"]));
        }
        if package.name == "milena-records" {
            commands.push(test(&["--no-default-features"]));
            commands.push(test(&["--no-default-features", "--features", NO_C]));
        }
        steps.push(Step { name: format!("test {}", package.name), plan: Plan::Run(commands) });
    }
    steps.extend(simulation());
    steps.extend(dependencies());
    steps.push(oldest_rust());
    steps.push(deny());
    steps.extend(brokers()?);
    Ok(steps)
}

/// A thousand worlds, always the same, in which nothing may be wrong; and a thousand others with every commit, whose violations
/// are told and not yet failures: one in a thousand shows something that tests/sim/README.md lists as open. Those that ever
/// showed something and were put right are in the simulation's own tests.
fn simulation() -> [Step; 2] {
    let commit = output(&["git", "rev-parse", "--short=8", "HEAD"]).unwrap_or_default();
    let new = u64::from_str_radix(commit.trim(), 16).unwrap_or(0).to_string();
    let run = |from: &str| {
        owned(&[
            "cargo",
            "run",
            "-q",
            "--release",
            "-p",
            "milena-sim",
            "--",
            "--seeds",
            "1000",
            "--from",
            from,
        ])
    };
    [
        Step { name: "simulation".to_owned(), plan: Plan::Run(vec![run("0")]) },
        Step { name: format!("simulation, new worlds from seed {new}"), plan: Plan::Tell(run(&new)) },
    ]
}

/// What crates may depend on, and what they compile for.
fn dependencies() -> Vec<Step> {
    let mut steps = Vec::new();
    let mut tree = vec!["cargo", "tree", "-p", "milena-cli", "--no-default-features", "--features", NO_C];
    tree.extend(["-e", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let needs_c = |package: &str| NEEDS_C.contains(&package) || package.ends_with("-sys");
    steps.push(Step { name: "pure Rust tree".to_owned(), plan: Plan::Without(owned(&tree), needs_c) });
    let check = ["cargo", "check", "-q", "-p", "milena-cli", "--no-default-features", "--features", NO_C];
    steps.push(step("pure Rust check", &[&check]));
    for name in PURE {
        let tree = [
            "cargo",
            "tree",
            "-p",
            name,
            "-e",
            "normal",
            "--no-default-features",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ];
        steps.push(Step {
            name: format!("purity {name}"),
            plan: Plan::Without(owned(&tree), |package| IMPURE.contains(&package)),
        });
    }
    let targets = output(&["rustup", "target", "list", "--installed"]).unwrap_or_default();
    let name = format!("purity {WASM}");
    if targets.lines().any(|target| target == WASM) {
        let check = |package: &str| {
            owned(&["cargo", "check", "-q", "-p", package, "--no-default-features", "--target", WASM])
        };
        steps.push(Step { name, plan: Plan::Run(PURE.map(check).to_vec()) });
    } else {
        steps.push(Step { name, plan: Plan::NotRun(format!("target {WASM} is not installed")) });
    }
    steps
}

fn oldest_rust() -> Step {
    let name = format!("check with Rust {OLDEST_RUST}");
    let toolchains = output(&["rustup", "toolchain", "list"]).unwrap_or_default();
    if toolchains.lines().any(|line| line.starts_with(OLDEST_RUST)) {
        let toolchain = format!("+{OLDEST_RUST}");
        return step(&name, &[&["cargo", &toolchain, "check", "-q", "--workspace", "--all-targets"]]);
    }
    Step { name, plan: Plan::NotRun(format!("toolchain {OLDEST_RUST} is not installed")) }
}

fn deny() -> Step {
    match output(&["cargo", "deny", "--version"]) {
        Some(_) => step("deny", &[&["cargo", "deny", "--offline", "check", "licenses", "bans", "sources"]]),
        None => {
            Step { name: "deny".to_owned(), plan: Plan::NotRun("cargo-deny is not installed".to_owned()) }
        }
    }
}

fn brokers() -> Result<Vec<Step>> {
    let fixture: [&[&str]; 1] =
        [&["cargo", "test", "-q", "-p", "xtask", "--test", "kafka", "--", "--ignored", "--test-threads=1"]];
    let system: [&[&str]; 1] = [&["cargo", "test", "-q", "-p", "milena-tests", "--release"]];
    let lacking = Producer::OTHERS.into_iter().filter_map(Producer::missing);
    let lacking = lacking.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ");
    let broker = kafka::missing();
    let missing = broker.as_ref().or(Some(&lacking).filter(|lacking| !lacking.is_empty()));
    if let Some(missing) = missing
        && env::var("CI").is_ok_and(|ci| ci == "true")
    {
        return Err(Error::new(format!("real-broker tests cannot run: {missing}")));
    }
    let Some(missing) = broker else {
        let mut steps = vec![step("brokers", &fixture), step("system", &system)];
        if !lacking.is_empty() {
            steps.push(Step { name: "system, all producers".to_owned(), plan: Plan::NotRun(lacking) });
        }
        return Ok(steps);
    };
    Ok(["brokers", "system"]
        .map(|name| Step { name: name.to_owned(), plan: Plan::NotRun(missing.clone()) })
        .into())
}

struct Package {
    name: String,
    has_features: bool,
}

/// The members of the workspace, from the manifests.
fn packages() -> Result<Vec<Package>> {
    let root = crate::root();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).context(|| "Cargo.toml".to_owned())?;
    let members =
        manifest.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let mut packages = Vec::new();
    for member in
        members.split(',').map(|member| member.trim().trim_matches('"')).filter(|member| !member.is_empty())
    {
        let path = root.join(member).join("Cargo.toml");
        let text = fs::read_to_string(&path).context(|| path.display().to_string())?;
        let name = text.lines().find_map(|line| line.strip_prefix("name = ")).unwrap_or_default();
        packages.push(Package {
            name: name.trim_matches('"').to_owned(),
            has_features: text.lines().any(|line| line == "[features]"),
        });
    }
    Ok(packages)
}

fn step(name: &str, commands: &[&[&str]]) -> Step {
    Step { name: name.to_owned(), plan: Plan::Run(commands.iter().map(|command| owned(command)).collect()) }
}

fn owned(command: &[&str]) -> Vec<String> {
    command.iter().map(|&word| word.to_owned()).collect()
}

/// What a command prints, if it succeeds.
fn output(command: &[&str]) -> Option<String> {
    execute(&owned(command)).ok()
}

fn execute(words: &[String]) -> Result<String> {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(crate::root()).stdin(Stdio::null());
    // Tools that cargo starts for itself must not inherit the toolchain of this very run.
    command.env_remove("RUSTUP_TOOLCHAIN");
    if words.get(1).is_some_and(|verb| verb == "doc") {
        command.env("RUSTDOCFLAGS", "-D warnings");
    }
    let output = command.output().context(|| format!("cannot run {}", words.join(" ")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let more = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(format!("{} ends with {}\n{text}{more}", words.join(" "), output.status)))
}

/// An error that names the banned packages of a dependency tree, if it has any.
fn found(tree: &str, banned: fn(&str) -> bool) -> Option<Error> {
    let mut names: Vec<&str> =
        tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| banned(name)).collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then(|| Error::new(format!("the tree has {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_is_found_with_its_features() {
        let packages = packages().unwrap();
        let records = packages.iter().find(|package| package.name == "milena-records").unwrap();
        assert!(records.has_features);
        assert!(packages.iter().any(|package| package.name == "xtask" && !package.has_features));
    }

    #[test]
    fn a_banned_package_is_found_at_any_depth() {
        let tree = "milena-records v0.1.0\nbytes v1.12.0\nzstd-sys v2.0.0\nbytes v1.12.0 (*)\n";
        assert!(found(tree, |name| name.ends_with("-sys")).unwrap().to_string().contains("zstd-sys"));
        assert!(found(tree, |name| name == "tokio").is_none());
    }

    #[test]
    fn a_failing_command_shows_what_it_said() {
        let error = execute(&owned(&["sh", "-c", "echo because >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("because") && error.contains('3'), "{error}");
    }
}
