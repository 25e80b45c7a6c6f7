//! A process that does not outlive its owner.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Context, Error, Result};

/// Runs the command after the log's name and ends it as soon as standard input closes. The owner holds the other end of
/// that pipe, so the kernel closes it however the owner ends, SIGKILL included. Killing needs no `unsafe` this way, as
/// `PR_SET_PDEATHSIG` would, and it also holds when only the thread that spawned the process has ended.
const LEASH: &str = r#"
exec 3<&0
log=$1; shift
"$@" </dev/null 3<&- >>"$log" 2>&1 &
child=$!
echo "$child"
exec >&-
( while read -r line <&3; do :; done; kill -9 "$child" ) 2>/dev/null &
watcher=$!
exec 3<&-
wait "$child"; code=$?
kill "$watcher" 2>/dev/null
exit "$code"
"#;

/// Removes the directory once standard input closes; processes that die at the same moment may still write for a while.
const JANITOR: &str = r#"
while read -r line; do :; done
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$1" && exit 0
    sleep 0.5
done
"#;

/// Signals a node can get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Terminate,
    Kill,
    Stop,
    Continue,
}

/// One running process and the file that takes what it prints.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid: u32,
    leash: Leash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leash {
    /// Ends with its owner.
    Held,
    /// Lives on after [`Process::let_go`].
    Loose,
}

impl Process {
    /// Starts `command`; everything it prints is appended to `log`.
    pub(crate) fn spawn(command: &[OsString], log: &Path, leash: Leash) -> Result<Process> {
        let what = || format!("cannot run {}", command[0].to_string_lossy());
        match leash {
            Leash::Held => {
                let mut child = Command::new("sh")
                    .args(["-c", LEASH, "leash"])
                    .arg(log)
                    .args(command)
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    // The shell's own "Killed"; what the process itself prints goes to the log.
                    .stderr(Stdio::null())
                    // Ctrl-C at the terminal must reach the owner alone: the leash then ends the rest.
                    .process_group(0)
                    .spawn()
                    .context(what)?;
                let mut line = String::new();
                if let Some(stdout) = child.stdout.take() {
                    BufReader::new(stdout).read_line(&mut line).context(what)?;
                }
                let pid = line.trim().parse().context(what)?;
                Ok(Process { child, pid, leash })
            }
            Leash::Loose => {
                let out = OpenOptions::new().create(true).append(true).open(log).context(what)?;
                let err = out.try_clone().context(what)?;
                let child = Command::new(&command[0])
                    .args(&command[1..])
                    .stdin(Stdio::null())
                    .stdout(out)
                    .stderr(err)
                    .process_group(0)
                    .spawn()
                    .context(what)?;
                Ok(Process { pid: child.id(), child, leash })
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal; to a process that has ended, nothing.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.exited()?.is_some() {
            return Ok(());
        }
        send_signal(self.pid, signal)
    }

    /// How the process ended, if it did.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context(|| format!("cannot wait for process {}", self.pid))
    }

    /// Waits for the end; false if it has not come within `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<bool> {
        let start = Instant::now();
        while self.exited()?.is_none() {
            if start.elapsed() >= limit {
                return Ok(false);
            }
            sleep(Duration::from_millis(10));
        }
        Ok(true)
    }

    /// Leaves a [`Leash::Loose`] process to itself.
    pub(crate) fn let_go(mut self) -> u32 {
        self.leash = Leash::Loose;
        let pid = self.pid;
        // The child handle is dropped without waiting; `Drop` below would kill.
        std::mem::forget(self);
        pid
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        match self.leash {
            Leash::Held => drop(self.child.stdin.take()),
            Leash::Loose => {
                let _ = self.child.kill();
            }
        }
        let _ = self.child.wait();
    }
}

/// Removes a directory when it is dropped, or when the process ends in any other way.
#[derive(Debug)]
pub(crate) struct Janitor {
    child: Child,
}

impl Janitor {
    pub(crate) fn of(directory: &Path) -> Result<Janitor> {
        let child = Command::new("sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .context(|| "cannot run sh".to_owned())?;
        Ok(Janitor { child })
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process by its id, through the shell's own `kill`: no `unsafe`, no extra package.
fn send_signal(pid: u32, signal: Signal) -> Result<()> {
    let name = match signal {
        Signal::Terminate => "TERM",
        Signal::Kill => "KILL",
        Signal::Stop => "STOP",
        Signal::Continue => "CONT",
    };
    let status = Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &pid.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context(|| format!("cannot send SIG{name} to {pid}"))?;
    if status.success() { Ok(()) } else { Err(Error::new(format!("cannot send SIG{name} to {pid}"))) }
}

/// Asks the process to end, or ends it.
pub(crate) fn terminate(pid: u32, at_once: bool) -> Result<()> {
    send_signal(pid, if at_once { Signal::Kill } else { Signal::Terminate })
}

/// The lines of a log that tell of errors, then its last lines; empty if there is no such file.
pub(crate) fn gist(path: &Path) -> String {
    let text = tail(path, 1 << 20);
    let lines: Vec<&str> = text.lines().collect();
    let end = lines.len().saturating_sub(20);
    let telling =
        |line: &&&str| ["ERROR", "FATAL", "Exception", "Error:"].iter().any(|word| line.contains(word));
    let mut gist: Vec<&str> = lines[..end].iter().filter(telling).take(20).copied().collect();
    gist.extend(&lines[end..]);
    gist.join("\n")
}

/// The last `bytes` of a file, lossily; empty if there is no such file.
pub(crate) fn tail(path: &Path, bytes: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(bytes)))?;
        let mut out = Vec::new();
        file.take(bytes).read_to_end(&mut out)?;
        Ok(out)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    use crate::cache;

    fn is_alive(pid: u32) -> bool {
        // A zombie that nobody has waited for yet is no process any more.
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    fn sleeper(seconds: &str) -> Vec<OsString> {
        vec!["sleep".into(), seconds.into()]
    }

    fn ends_soon(pid: u32) -> bool {
        for _ in 0..200 {
            if !is_alive(pid) {
                return true;
            }
            sleep(Duration::from_millis(10));
        }
        false
    }

    #[test]
    fn a_process_ends_with_its_handle_even_when_stopped() {
        let dir = cache::temporary("process").unwrap();
        let _janitor = Janitor::of(&dir).unwrap();
        let mut process = Process::spawn(&sleeper("60"), &dir.join("log"), Leash::Held).unwrap();
        let pid = process.pid();
        assert!(is_alive(pid));
        process.signal(Signal::Stop).unwrap();
        drop(process);
        assert!(ends_soon(pid), "process {pid} outlived its handle");
    }

    /// Not a test: the owner that the test below kills. It runs in a process of its own.
    #[test]
    #[ignore = "run by a_process_ends_when_its_owner_is_killed"]
    fn owner() {
        let dir = std::env::var_os("MILENA_TEST_DIR").map(PathBuf::from).unwrap();
        let _janitor = Janitor::of(&dir).unwrap();
        let process = Process::spawn(&sleeper("60"), &dir.join("log"), Leash::Held).unwrap();
        println!("pid={}", process.pid());
        sleep(Duration::from_secs(60));
    }

    #[test]
    fn a_process_ends_when_its_owner_is_killed() {
        let dir = cache::temporary("owner").unwrap();
        let mut owner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kafka::process::tests::owner", "--ignored", "--nocapture"])
            .env("MILENA_TEST_DIR", &dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = BufReader::new(owner.stdout.take().unwrap())
            .lines()
            .find_map(|line| line.unwrap().split_once("pid=").map(|(_, pid)| pid.parse::<u32>().unwrap()))
            .expect("the owner says its process's id");
        assert!(is_alive(pid));
        owner.kill().unwrap();
        owner.wait().unwrap();
        assert!(ends_soon(pid), "process {pid} outlived its owner");
        let gone = (0..200).any(|_| {
            sleep(Duration::from_millis(10));
            !dir.exists()
        });
        assert!(gone, "the owner's directory outlived it");
    }

    #[test]
    fn the_end_of_a_process_and_its_words_are_seen() {
        let dir = cache::temporary("process").unwrap();
        let _janitor = Janitor::of(&dir).unwrap();
        let command = ["sh".into(), "-c".into(), "echo out; echo err >&2; exit 7".into()];
        let mut process = Process::spawn(&command, &dir.join("log"), Leash::Held).unwrap();
        assert!(process.wait(Duration::from_secs(5)).unwrap());
        assert_eq!(process.exited().unwrap().and_then(|status| status.code()), Some(7));
        assert_eq!(tail(&dir.join("log"), 4), "err\n");
        assert_eq!(gist(&dir.join("log")), "out\nerr");
        process.signal(Signal::Terminate).unwrap();
    }

    #[test]
    fn a_janitor_removes_the_directory() {
        let dir = cache::temporary("janitor").unwrap();
        std::fs::write(dir.join("file"), "x").unwrap();
        drop(Janitor::of(&dir).unwrap());
        assert!(!dir.exists());
    }
}
