//! Standard output, written in pieces of a size of our choosing.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Standard output with a buffer in front of it.
///
/// Where it is a regular file, the buffer is written when it is full and when nothing more is at hand; elsewhere (a pipe, a
/// terminal) at the end of every batch as well, so that no line waits for what is not there yet. A write for each line would
/// show it no earlier than by the time it takes to format the rest of its batch, 64 KiB at most, and costs 0.2 to 0.7 µs: 1.5
/// million records of 100 bytes as jsonl through a pipe to `wc -l` took 2.4 s in place of 1.4 s.
pub(crate) struct Sink {
    out: Box<dyn Write + Send>,
    buffer: Vec<u8>,
    at_once: bool,
    is_terminal: bool,
    failed: Option<io::ErrorKind>,
}

impl Sink {
    /// Standard output.
    pub(crate) fn stdout() -> io::Result<Self> {
        let stdout = io::stdout();
        let is_terminal = stdout.is_terminal();
        let (out, is_file) = direct(stdout)?;
        Ok(Self { out, buffer: Vec::with_capacity(2 * FULL), at_once: !is_file, is_terminal, failed: None })
    }

    #[cfg(test)]
    fn to(out: impl Write + Send + 'static, at_once: bool) -> Self {
        Self { out: Box::new(out), buffer: Vec::new(), at_once, is_terminal: false, failed: None }
    }

    /// Whether somebody looks at it.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Appends a JSON document and the end of its line.
    pub(crate) fn json(&mut self, document: &serde_json::Value) {
        self.buffer.extend_from_slice(document.to_string().as_bytes());
        self.buffer.push(b'\n');
    }

    /// Where lines are appended.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Ends a line. A full buffer is written.
    ///
    /// # Errors
    /// As of writing; what was not written is lost.
    pub(crate) fn end_line(&mut self) -> io::Result<()> {
        self.buffer.push(b'\n');
        if self.buffer.len() >= FULL { self.flush() } else { Ok(()) }
    }

    /// Ends a batch of lines. Tells whether all lines so far are written.
    ///
    /// # Errors
    /// As for [`end_line`](Self::end_line).
    pub(crate) fn end_batch(&mut self) -> io::Result<bool> {
        if self.at_once {
            self.flush()?;
        }
        Ok(self.buffer.is_empty() && self.failed.is_none())
    }

    /// Writes what is in the buffer. After the first error nothing more is written.
    ///
    /// # Errors
    /// As for [`end_line`](Self::end_line), also if that was before.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if let Some(failed) = self.failed {
            return Err(failed.into());
        }
        let mut left = &self.buffer[..];
        let outcome = loop {
            if left.is_empty() {
                break Ok(());
            }
            match self.out.write(left) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Whoever shares the terminal or pipe with us may have made it non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(RETRY),
                Err(error) => break Err(error),
            }
        };
        self.failed = outcome.as_ref().err().map(io::Error::kind);
        self.buffer.clear();
        // One huge record must not stay for good.
        self.buffer.shrink_to(KEPT_MAX);
        outcome
    }
}

/// The file behind standard output, past the line buffer that the standard library puts before it; and whether it is a
/// regular file.
#[cfg(unix)]
fn direct(stdout: io::Stdout) -> io::Result<(Box<dyn Write + Send>, bool)> {
    use std::os::fd::AsFd;
    let file = std::fs::File::from(stdout.as_fd().try_clone_to_owned()?);
    let is_file = file.metadata()?.is_file();
    Ok((Box::new(file), is_file))
}

#[cfg(not(unix))]
fn direct(stdout: io::Stdout) -> io::Result<(Box<dyn Write + Send>, bool)> {
    Ok((Box::new(stdout), false))
}

/// Bytes at which the buffer is written: as much as a pipe takes at once, and enough to make the call cheap.
const FULL: usize = 64 << 10;
/// Bytes of buffer that are kept.
const KEPT_MAX: usize = 1 << 20;
/// Pause before a full pipe that does not block is tried again.
const RETRY: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Writes(Arc<Mutex<Vec<usize>>>);

    impl Write for Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().push(bytes.len());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(sink: &mut Sink, len: usize) {
        sink.buffer().extend(std::iter::repeat_n(b'x', len));
        sink.end_line().unwrap();
    }

    #[test]
    fn a_pipe_gets_every_batch_at_once_and_a_large_one_in_pieces() {
        let writes = Writes::default();
        let mut sink = Sink::to(writes.clone(), true);
        line(&mut sink, 9);
        line(&mut sink, 9);
        assert!(sink.end_batch().unwrap());
        line(&mut sink, FULL);
        line(&mut sink, 9);
        assert!(sink.end_batch().unwrap());
        assert_eq!(*writes.0.lock().unwrap(), [20, FULL + 1, 10]);
    }

    #[test]
    fn a_file_gets_full_buffers_and_the_rest_when_asked() {
        let writes = Writes::default();
        let mut sink = Sink::to(writes.clone(), false);
        line(&mut sink, 9);
        assert!(!sink.end_batch().unwrap(), "not written, so not to be acknowledged");
        line(&mut sink, FULL);
        assert!(sink.end_batch().unwrap());
        line(&mut sink, 9);
        sink.flush().unwrap();
        assert_eq!(*writes.0.lock().unwrap(), [FULL + 11, 10]);
    }
}
