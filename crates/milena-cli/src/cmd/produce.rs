//! `milena produce`: lines of standard input as records.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::{Bytes, BytesMut};
use client::{Client, Delivery, Producer, ProducerRecord, TopicName};
use futures_util::FutureExt;
use tokio::sync::mpsc;

use crate::args::ProduceArgs;
use crate::failure::Failure;
use crate::signals::Stop;

/// Writes every line as a record and waits until all are written.
///
/// # Errors
/// A setting cannot be, the cluster cannot be reached, the topic is missing, a line has no key, a record was not written:
/// nothing is read after it, and what was read before is written as far as that is possible.
pub(crate) async fn run(args: ProduceArgs) -> Result<(), Failure> {
    let mut stop = Stop::listen().map_err(|error| Failure::runtime(format!("signals: {error}")))?;
    let flags: Vec<_> = args.compression.iter().map(|codec| ("compression.type", codec.name())).collect();
    let config = args.connection.producer(&flags, &[])?;
    let client = tokio::select! {
        biased;
        () = stop.requested() => return Err(Failure::Interrupted),
        client = Client::connect(config.client().clone()) => client?,
    };
    let mut writing = Writing {
        producer: Producer::new(&client, &config),
        topic: args.topic.as_str().into(),
        partition: args.partition,
        separator: args.key_separator.map(String::into_bytes),
        open: VecDeque::new(),
        lines: 0,
    };
    let read = writing.run(&mut stop).await;
    writing.end(read).await
}

struct Writing {
    producer: Producer,
    topic: TopicName,
    partition: Option<i32>,
    separator: Option<Vec<u8>>,
    /// Records whose outcome is open, in their order. The producer's memory bounds how many.
    open: VecDeque<Delivery>,
    lines: u64,
}

impl Writing {
    async fn run(&mut self, stop: &mut Stop) -> Result<(), Failure> {
        let mut lines = lines();
        loop {
            let chunk = tokio::select! {
                biased;
                () = stop.requested() => return Err(Failure::Interrupted),
                chunk = lines.recv() => chunk,
                outcome = first(&mut self.open) => {
                    self.open.pop_front();
                    outcome?;
                    continue;
                }
            };
            let Some(chunk) = chunk else { return Ok(()) };
            let chunk = chunk.map_err(|error| Failure::runtime(format!("standard input: {error}")))?;
            for line in chunk {
                self.lines += 1;
                let record = self.record(line)?;
                self.open.push_back(self.producer.enqueue(record).await?);
            }
            self.collect()?;
        }
    }

    fn record(&self, line: Bytes) -> Result<ProducerRecord, Failure> {
        let mut record = ProducerRecord::new(self.topic.clone());
        record.partition = self.partition;
        let Some(separator) = &self.separator else { return Ok(record.value(line)) };
        let at = line.windows(separator.len()).position(|window| window == separator);
        let at = at.ok_or_else(|| {
            let separator = String::from_utf8_lossy(separator);
            Failure::runtime(format!("line {}: no key: there is no `{separator}` in it", self.lines))
        })?;
        Ok(record.key(line.slice(..at)).value(line.slice(at + separator.len()..)))
    }

    /// Takes note of outcomes that are there.
    fn collect(&mut self) -> Result<(), Failure> {
        while let Some(first) = self.open.front_mut()
            && let Some(outcome) = first.now_or_never()
        {
            self.open.pop_front();
            outcome?;
        }
        Ok(())
    }

    /// Waits for the outcomes that are open, and adds them to what happened while reading.
    async fn end(mut self, read: Result<(), Failure>) -> Result<(), Failure> {
        self.producer.close().await;
        let mut failed = 0;
        let mut failure = None;
        for delivery in self.open.drain(..) {
            if let Err(error) = delivery.await {
                failed += 1;
                failure.get_or_insert(error);
            }
        }
        match (read, failure) {
            (Ok(()) | Err(Failure::Interrupted), Some(error)) if failed > 1 => {
                Err(Failure::runtime(format!("{error} (and {} more records)", failed - 1)))
            }
            (Ok(()) | Err(Failure::Interrupted), Some(error)) => Err(error.into()),
            (read, _) => read,
        }
    }
}

/// The outcome of the first record that is open; waits for ever if none is.
async fn first(open: &mut VecDeque<Delivery>) -> client::Result<()> {
    match open.front_mut() {
        Some(delivery) => delivery.await.map(drop),
        None => std::future::pending().await,
    }
}

/// Lines of standard input, read by a thread of its own: nothing can be told to a read that waits for a terminal.
fn lines() -> mpsc::Receiver<io::Result<Vec<Bytes>>> {
    let (sender, receiver) = mpsc::channel(CHUNKS_MAX);
    std::thread::spawn(move || {
        let mut lines = Lines { input: io::stdin().lock(), rest: BytesMut::new() };
        while let Some(chunk) = lines.next().transpose() {
            let is_error = chunk.is_err();
            // Nobody waits for more once the receiver is gone.
            if sender.blocking_send(chunk).is_err() || is_error {
                return;
            }
        }
    });
    receiver
}

/// Lines as slices of what was read at once.
struct Lines<R> {
    input: R,
    /// The beginning of a line.
    rest: BytesMut,
}

impl<R: Read> Lines<R> {
    /// The lines that are at hand, at least one, without their ends; `None` after the last. What comes after the last end of
    /// a line is one too.
    fn next(&mut self) -> io::Result<Option<Vec<Bytes>>> {
        loop {
            let at = self.rest.len();
            if at > LINE_MAX {
                let message = format!("a line is longer than {LINE_MAX} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
            self.rest.resize(at + READ, 0);
            let read = self.input.read(&mut self.rest[at..]);
            let count = *read.as_ref().unwrap_or(&0);
            self.rest.truncate(at + count);
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
                Ok(0) if at == 0 => return Ok(None),
                Ok(0) => return Ok(Some(vec![self.rest.split().freeze()])),
                Ok(_) => {}
            }
            if let Some(last) = self.rest[at..].iter().rposition(|byte| *byte == b'\n') {
                let whole = self.rest.split_to(at + last + 1).freeze();
                return Ok(Some(split(&whole)));
            }
        }
    }
}

fn split(bytes: &Bytes) -> Vec<Bytes> {
    let mut whole = &bytes[..];
    let mut lines = Vec::new();
    while let Some(end) = whole.iter().position(|byte| *byte == b'\n') {
        lines.push(bytes.slice_ref(&whole[..end]));
        whole = &whole[end + 1..];
    }
    lines
}

/// Chunks of lines that may wait.
const CHUNKS_MAX: usize = 16;
/// Bytes that are read at once, at most.
const READ: usize = 64 << 10;
/// Bytes of a line: more than any broker takes for a record.
const LINE_MAX: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out its pieces one by one.
    struct Pieces(VecDeque<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.0.pop_front() else { return Ok(0) };
            out[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn chunks(pieces: &[&'static [u8]]) -> Vec<Vec<Bytes>> {
        let mut lines = Lines { input: Pieces(pieces.iter().copied().collect()), rest: BytesMut::new() };
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn what_is_at_hand_comes_at_once_and_nothing_waits_for_more() {
        assert_eq!(chunks(&[b"a\nb\nc", b"d\n"]), [vec!["a", "b"], vec!["cd"]]);
        assert_eq!(chunks(&[b"a\n", b"b\n"]), [vec!["a"], vec!["b"]]);
    }

    #[test]
    fn the_last_line_needs_no_end_and_empty_lines_are_lines() {
        assert_eq!(chunks(&[b"a\n\n", b"b"]), [vec!["a", ""], vec!["b"]]);
        assert!(chunks(&[]).is_empty());
        assert_eq!(chunks(&[b"a\r\n\xff\n"]), [vec![&b"a\r"[..], b"\xff"]]);
    }
}
