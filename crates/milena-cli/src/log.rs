//! What is said on standard error beside errors: log lines, which do not run into the line of progress.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Whether the last line on the terminal is one of progress, which the next one replaces.
static PROGRESS_STANDS: AtomicBool = AtomicBool::new(false);

/// Starts logging. `MILENA_LOG` says what, in the syntax of `tracing_subscriber`'s `EnvFilter`; without it `-v` does.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = match std::env::var("MILENA_LOG") {
        Ok(filter) if !filter.is_empty() => EnvFilter::new(filter),
        _ => EnvFilter::new(level),
    };
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Stderr).with_ansi(false);
    // Only tests start it twice.
    let _ = match verbose {
        0 => format.without_time().with_target(false).try_init(),
        _ => format.try_init(),
    };
}

/// Prints a line in the place of progress; `None` takes that away.
pub(crate) fn show_progress(line: Option<&str>) {
    let stood = PROGRESS_STANDS.swap(line.is_some(), Ordering::AcqRel);
    if stood || line.is_some() {
        // Nothing can be done if standard error is gone.
        let _ = write!(io::stderr(), "{CLEAR}{}", line.unwrap_or_default());
    }
}

/// Lets the line of progress stand: what comes next begins below it.
pub(crate) fn end_progress() {
    if PROGRESS_STANDS.swap(false, Ordering::AcqRel) {
        let _ = writeln!(io::stderr());
    }
}

/// Prints a line for whoever started the command.
pub(crate) fn say(line: &str) {
    let _ = Stderr.write_all(format!("milena: {line}\n").as_bytes());
}

#[derive(Clone, Copy)]
struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        if PROGRESS_STANDS.swap(false, Ordering::AcqRel) {
            stderr.write_all(CLEAR.as_bytes())?;
        }
        stderr.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// To the beginning of the line, and away with what is on it.
const CLEAR: &str = "\r\x1b[K";
