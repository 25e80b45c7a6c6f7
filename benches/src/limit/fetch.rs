//! Fetch: sessions, limits, and answers that are written without being built.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use bytes::{BufMut as _, Bytes};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchTopic, ForgottenTopic};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use kafka_protocol::protocol::Decodable;

use crate::limit::TOPIC;
use crate::limit::answer::TOPIC_ID;
use crate::limit::log::{Block, Run};
use crate::limit::serve::{Cluster, header_version, invalid, write_all};

/// The fetches of one connection.
pub(super) struct Fetches {
    cluster: Arc<Cluster>,
    broker: usize,
    /// Copies of the partitions' blocks, made when they are first asked for.
    blocks: BTreeMap<usize, Block>,
    sessions: BTreeMap<i32, Session>,
    head: Vec<u8>,
    turn: usize,
}

/// KIP-227: what is wanted, so that a request need only say what changed.
#[derive(Default)]
struct Session {
    epoch: i32,
    /// Of the partitions with records.
    full: BTreeMap<usize, Wanted>,
    /// Partitions without any: they never have news.
    empty: BTreeSet<usize>,
}

#[derive(Clone, Copy)]
struct Wanted {
    offset: i64,
    bytes_max: usize,
}

/// What one partition is answered.
struct Part {
    partition: usize,
    end: i64,
    error: i16,
    runs: Vec<Run>,
}

impl Part {
    fn bytes(&self) -> usize {
        self.runs.iter().map(|run| run.bytes).sum()
    }
}

impl Fetches {
    pub(super) fn new(cluster: Arc<Cluster>, broker: usize) -> Self {
        Self {
            cluster,
            broker,
            blocks: BTreeMap::new(),
            sessions: BTreeMap::new(),
            head: Vec::new(),
            turn: 0,
        }
    }

    /// Answers one request.
    pub(super) fn answer(
        &mut self,
        correlation_id: i32,
        version: i16,
        mut body: Bytes,
        stream: &mut TcpStream,
    ) -> io::Result<()> {
        let request = FetchRequest::decode(&mut body, version).map_err(invalid)?;
        let (session_id, error, full, empty, is_incremental) = self.session(version, &request);
        let mut parts = self.parts(&request, &full);
        let total: usize = parts.iter().map(Part::bytes).sum();
        let ready = i64::try_from(total).unwrap_or(i64::MAX) >= i64::from(request.min_bytes);
        if error == 0 && !ready && parts.iter().all(|part| part.error == 0) {
            // Nobody appends anything, so nothing comes before the wait is over.
            thread::sleep(Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)));
        }
        if is_incremental {
            parts.retain(|part| part.bytes() > 0 || part.error != 0);
        }
        parts.extend(empty.into_iter().map(|partition| Part {
            partition,
            end: 0,
            error: 0,
            runs: Vec::new(),
        }));
        thread::sleep(self.cluster.options.delay);
        self.write(stream, correlation_id, version, error, session_id, parts)
    }

    /// What is asked for: the session's id and error, the full partitions, the empty ones to tell of, and whether only news are
    /// wanted.
    fn session(
        &mut self,
        version: i16,
        request: &FetchRequest,
    ) -> (i32, i16, Vec<(usize, Wanted)>, Vec<usize>, bool) {
        let fulls = self.cluster.logs.len();
        let mut asked = Vec::new();
        for topic in request.topics.iter().filter(|topic| is_ours(version, topic)) {
            for partition in &topic.partitions {
                let Ok(number) = usize::try_from(partition.partition) else { continue };
                let wanted = Wanted {
                    offset: partition.fetch_offset,
                    bytes_max: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
                };
                asked.push((number, wanted));
            }
        }
        if version < 7 || request.session_epoch == -1 {
            self.sessions.remove(&request.session_id);
            let (full, empty) = asked.into_iter().partition(|(number, _)| *number < fulls);
            return (0, 0, full, numbers(empty), false);
        }
        if request.session_epoch == 0 {
            self.sessions.remove(&request.session_id);
            let (full, empty): (Vec<_>, Vec<_>) = asked.into_iter().partition(|(number, _)| *number < fulls);
            let empty = numbers(empty);
            let id = self.cluster.next_session.fetch_add(1, Ordering::Relaxed);
            let session = Session {
                epoch: 1,
                full: full.iter().copied().collect(),
                empty: empty.iter().copied().collect(),
            };
            self.sessions.insert(id, session);
            return (id, 0, full, empty, false);
        }
        let Some(session) = self.sessions.get_mut(&request.session_id) else {
            return (0, ResponseError::FetchSessionIdNotFound.code(), Vec::new(), Vec::new(), true);
        };
        if session.epoch != request.session_epoch {
            return (0, ResponseError::InvalidFetchSessionEpoch.code(), Vec::new(), Vec::new(), true);
        }
        session.epoch = session.epoch.checked_add(1).unwrap_or(1);
        for topic in request.forgotten_topics_data.iter().filter(|topic| is_forgotten(version, topic)) {
            for partition in &topic.partitions {
                session.full.remove(&(*partition as usize));
                session.empty.remove(&(*partition as usize));
            }
        }
        let mut new = Vec::new();
        for (number, wanted) in asked {
            if number < fulls {
                session.full.insert(number, wanted);
            } else if session.empty.insert(number) {
                new.push(number);
            }
        }
        // Partitions take turns at the front, as a broker's session has it.
        let mut full: Vec<_> = session.full.iter().map(|(number, wanted)| (*number, *wanted)).collect();
        if !full.is_empty() {
            self.turn = (self.turn + 1) % full.len();
            full.rotate_left(self.turn);
        }
        (request.session_id, 0, full, new, true)
    }

    /// What is sent of each partition that has records.
    fn parts(&self, request: &FetchRequest, full: &[(usize, Wanted)]) -> Vec<Part> {
        let options = &self.cluster.options;
        let mut room = usize::try_from(request.max_bytes).unwrap_or(0);
        let mut is_first = true;
        let mut parts = Vec::with_capacity(full.len());
        for (partition, wanted) in full {
            let log = &self.cluster.logs[*partition];
            let mut part = Part { partition: *partition, end: log.end(), error: 0, runs: Vec::new() };
            if options.leader(*partition) != self.broker {
                part.error = ResponseError::NotLeaderOrFollower.code();
            } else if wanted.offset < 0 || wanted.offset > log.end() {
                part.error = ResponseError::OffsetOutOfRange.code();
            } else if is_first || room > 0 {
                part.runs = log.read(wanted.offset, wanted.bytes_max.min(room), is_first, options.cut);
                room = room.saturating_sub(part.bytes());
                is_first = is_first && part.runs.is_empty();
            }
            parts.push(part);
        }
        parts
    }

    fn write(
        &mut self,
        stream: &mut TcpStream,
        correlation_id: i32,
        version: i16,
        error: i16,
        session_id: i32,
        parts: Vec<Part>,
    ) -> io::Result<()> {
        let form = Form { version, is_flexible: header_version::<FetchResponse>(version) >= 1 };
        // All of the answer but its records is small. It is laid out first, for the length at its beginning.
        let mut head = std::mem::take(&mut self.head);
        head.clear();
        form.begin(&mut head, correlation_id, error, session_id, parts.len());
        let mut cuts = Vec::with_capacity(parts.len());
        for part in &parts {
            form.partition(&mut head, part);
            cuts.push(head.len());
            form.tags(&mut head);
        }
        form.end(&mut head, !parts.is_empty());
        let records: usize = parts.iter().map(Part::bytes).sum();
        let size = i32::try_from(head.len() - 4 + records).map_err(invalid)?;
        head[..4].copy_from_slice(&size.to_be_bytes());

        let last = parts.iter().rposition(|part| !part.runs.is_empty());
        let mut sent = 0;
        for (index, (part, cut)) in parts.iter().zip(cuts).enumerate() {
            for (turn, run) in part.runs.iter().enumerate() {
                let log = &self.cluster.logs[part.partition];
                let block = self.blocks.entry(part.partition).or_insert_with(|| log.block().clone());
                let records = block.place(*run).map_err(invalid)?;
                // The few bytes at the end go with the last records: nobody is woken for them.
                let is_last = Some(index) == last && turn + 1 == part.runs.len();
                let tail = if is_last { &head[cut..] } else { &[][..] };
                write_all(stream, [&head[sent..cut], records, tail])?;
                sent = cut;
            }
        }
        if last.is_none() {
            write_all(stream, [&head, &[], &[]])?;
        }
        self.head = head;
        Ok(())
    }
}

/// How an answer is laid out in a version.
struct Form {
    version: i16,
    is_flexible: bool,
}

impl Form {
    fn begin(&self, out: &mut Vec<u8>, correlation_id: i32, error: i16, session_id: i32, parts: usize) {
        out.put_i32(0);
        out.put_i32(correlation_id);
        self.tags(out);
        out.put_i32(0);
        if self.version >= 7 {
            out.put_i16(error);
            out.put_i32(session_id);
        }
        self.count(out, usize::from(parts > 0));
        if parts > 0 {
            if self.version >= 13 {
                out.extend_from_slice(TOPIC_ID.as_bytes());
            } else if self.is_flexible {
                self.count(out, TOPIC.len());
                out.extend_from_slice(TOPIC.as_bytes());
            } else {
                out.put_i16(TOPIC.len() as i16);
                out.extend_from_slice(TOPIC.as_bytes());
            }
            self.count(out, parts);
        }
    }

    /// All of a partition up to its records.
    fn partition(&self, out: &mut Vec<u8>, part: &Part) {
        out.put_i32(part.partition as i32);
        out.put_i16(part.error);
        let end = if part.error == 0 { part.end } else { -1 };
        out.put_i64(end);
        out.put_i64(end);
        if self.version >= 5 {
            out.put_i64(if part.error == 0 { 0 } else { -1 });
        }
        // No list of aborted transactions.
        if self.is_flexible {
            out.put_u8(0)
        } else {
            out.put_i32(-1)
        }
        if self.version >= 11 {
            out.put_i32(-1);
        }
        self.count(out, part.bytes());
    }

    fn end(&self, out: &mut Vec<u8>, has_topic: bool) {
        if has_topic {
            self.tags(out);
        }
        self.tags(out);
    }

    fn tags(&self, out: &mut Vec<u8>) {
        if self.is_flexible {
            out.put_u8(0);
        }
    }

    /// A length: four bytes, or a varint of one more (KIP-482).
    fn count(&self, out: &mut Vec<u8>, count: usize) {
        if !self.is_flexible {
            out.put_i32(count as i32);
            return;
        }
        let mut rest = count + 1;
        while rest >= 0x80 {
            out.put_u8(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.put_u8(rest as u8);
    }
}

fn is_ours(version: i16, topic: &FetchTopic) -> bool {
    if version >= 13 { topic.topic_id == TOPIC_ID } else { topic.topic.as_str() == TOPIC }
}

fn is_forgotten(version: i16, topic: &ForgottenTopic) -> bool {
    if version >= 13 { topic.topic_id == TOPIC_ID } else { topic.topic.as_str() == TOPIC }
}

fn numbers(partitions: Vec<(usize, Wanted)>) -> Vec<usize> {
    partitions.into_iter().map(|(number, _)| number).collect()
}
