//! The machine and the moment.

use std::fs;
use std::process::Command;

/// The machine and the moment, without which a number says nothing.
#[derive(Debug, Clone)]
pub struct Setting {
    /// As `date -u` says it.
    pub date: String,
    /// The CPU's own name.
    pub cpu: String,
    /// How many of it.
    pub cores: usize,
    /// The kernel.
    pub kernel: String,
    /// The commit that was built.
    pub commit: String,
    /// What to type to get the same.
    pub command: String,
}

impl Setting {
    /// Looks around.
    #[must_use]
    pub fn here(arguments: &[String]) -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let mut command = "cargo xtask bench".to_owned();
        for argument in arguments {
            command.push(' ');
            command.push_str(argument);
        }
        Self {
            date: said("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
            cpu: model.map_or("unknown", |(_, name)| name).to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: said("uname", &["-sr"]),
            commit: said("git", &["rev-parse", "--short", "HEAD"]),
            command,
        }
    }
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(xtask::root()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
