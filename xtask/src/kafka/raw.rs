//! Just enough of Kafka's protocol, by hand: tests must not depend on the client they test to learn that a broker is up.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::error::{Context, Error, Result};

const LIST_OFFSETS: i16 = 2;
const METADATA: i16 = 3;
const FIND_COORDINATOR: i16 = 10;
const CREATE_TOPICS: i16 = 19;
const DELETE_TOPICS: i16 = 20;
const DELETE_RECORDS: i16 = 21;
const INCREMENTAL_ALTER_CONFIGS: i16 = 44;

/// Longest wait for one answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Largest answer that is believed; a test cluster's metadata is far below.
const ANSWER_BYTES_MAX: usize = 1 << 24;

/// What one broker knows of the cluster.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// Node id and port of each living broker.
    pub(crate) brokers: Vec<(i32, u16)>,
    pub(crate) controller: i32,
    pub(crate) topics: Vec<Topic>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Topic {
    pub(crate) error: i16,
    pub(crate) name: String,
    /// The leader of each partition, -1 while there is none.
    pub(crate) leaders: Vec<(i32, i32)>,
}

/// Metadata v1, which every broker since 0.10 understands; no topic's if `topic` is none.
pub(crate) fn metadata(port: u16, topic: Option<&str>) -> Result<Metadata> {
    let mut body = Writer::default();
    body.i32(topic.iter().len() as i32);
    if let Some(topic) = topic {
        body.string(topic);
    }
    let answer = ask(port, METADATA, 1, &body.0)?;
    let mut answer = Reader(&answer);
    let mut brokers = Vec::new();
    for _ in 0..answer.i32()? {
        let id = answer.i32()?;
        answer.string()?;
        brokers.push((id, answer.i32()? as u16));
        answer.string()?;
    }
    let controller = answer.i32()?;
    let mut topics = Vec::new();
    for _ in 0..answer.i32()? {
        let error = answer.i16()?;
        let name = answer.string()?;
        answer.bytes(1)?;
        let mut leaders = Vec::new();
        for _ in 0..answer.i32()? {
            answer.i16()?;
            leaders.push((answer.i32()?, answer.i32()?));
            for _ in ["replicas", "in-sync replicas"] {
                let count = answer.i32()?;
                answer.bytes(4 * count as usize)?;
            }
        }
        topics.push(Topic { error, name, leaders });
    }
    Ok(Metadata { brokers, controller, topics })
}

/// CreateTopics v2.
pub(crate) fn create_topic(
    port: u16,
    name: &str,
    partitions: i32,
    replicas: i16,
    configs: &[(&str, &str)],
) -> Result<()> {
    let mut body = Writer::default();
    body.i32(1);
    body.string(name);
    body.i32(partitions);
    body.i16(replicas);
    body.i32(0);
    body.i32(configs.len() as i32);
    for (key, value) in configs {
        body.string(key);
        body.string(value);
    }
    body.i32(TIMEOUT.as_millis() as i32);
    body.0.push(0);
    let answer = ask(port, CREATE_TOPICS, 2, &body.0)?;
    let mut answer = Reader(&answer);
    answer.i32()?;
    for _ in 0..answer.i32()? {
        answer.string()?;
        let (code, words) = (answer.i16()?, answer.string()?);
        if code != 0 {
            return Err(Error::new(format!("cannot create topic {name}: error {code} {words}")));
        }
    }
    Ok(())
}

/// DeleteTopics v1.
pub(crate) fn delete_topic(port: u16, name: &str) -> Result<()> {
    let mut body = Writer::default();
    body.i32(1);
    body.string(name);
    body.i32(TIMEOUT.as_millis() as i32);
    let answer = ask(port, DELETE_TOPICS, 1, &body.0)?;
    let mut answer = Reader(&answer);
    answer.i32()?;
    for _ in 0..answer.i32()? {
        answer.string()?;
        let code = answer.i16()?;
        if code != 0 {
            return Err(Error::new(format!("cannot delete topic {name}: error {code}")));
        }
    }
    Ok(())
}

/// DeleteRecords v1: moves the log start offset.
pub(crate) fn delete_records(port: u16, topic: &str, partition: i32, before: i64) -> Result<()> {
    let mut body = Writer::default();
    body.i32(1);
    body.string(topic);
    body.i32(1);
    body.i32(partition);
    body.0.extend_from_slice(&before.to_be_bytes());
    body.i32(TIMEOUT.as_millis() as i32);
    let answer = ask(port, DELETE_RECORDS, 1, &body.0)?;
    let mut answer = Reader(&answer);
    answer.bytes(8)?;
    answer.string()?;
    answer.bytes(16)?;
    match answer.i16()? {
        0 => Ok(()),
        code => Err(Error::new(format!("cannot delete records of {topic}-{partition}: error {code}"))),
    }
}

/// IncrementalAlterConfigs v0 (2.3 and later): sets one property of a topic.
pub(crate) fn alter_topic(port: u16, topic: &str, key: &str, value: &str) -> Result<()> {
    let (topic_resource, set) = (2, 0);
    let mut body = Writer::default();
    body.i32(1);
    body.0.push(topic_resource);
    body.string(topic);
    body.i32(1);
    body.string(key);
    body.0.push(set);
    body.string(value);
    body.0.push(0);
    let answer = ask(port, INCREMENTAL_ALTER_CONFIGS, 0, &body.0)?;
    let mut answer = Reader(&answer);
    answer.bytes(8)?;
    match (answer.i16()?, answer.string()?) {
        (0, _) => Ok(()),
        (code, words) => Err(Error::new(format!("cannot set {key} of {topic}: error {code} {words}"))),
    }
}

/// FindCoordinator v1: the node that coordinates a group, none while there is none.
pub(crate) fn coordinator(port: u16, group: &str) -> Result<Option<i32>> {
    let mut body = Writer::default();
    body.string(group);
    body.0.push(0);
    let answer = ask(port, FIND_COORDINATOR, 1, &body.0)?;
    let mut answer = Reader(&answer);
    answer.i32()?;
    let code = answer.i16()?;
    answer.string()?;
    let node = answer.i32()?;
    Ok((code == 0).then_some(node))
}

/// ListOffsets v1: the offset that -1 (end) or -2 (start) stands for, none while the node does not lead the partition.
pub(crate) fn offset(port: u16, topic: &str, partition: i32, which: i64) -> Result<Option<i64>> {
    let mut body = Writer::default();
    body.i32(-1);
    body.i32(1);
    body.string(topic);
    body.i32(1);
    body.i32(partition);
    body.0.extend_from_slice(&which.to_be_bytes());
    let answer = ask(port, LIST_OFFSETS, 1, &body.0)?;
    let mut answer = Reader(&answer);
    answer.i32()?;
    answer.string()?;
    answer.i32()?;
    answer.i32()?;
    let code = answer.i16()?;
    answer.bytes(8)?;
    let offset = (i64::from(answer.i32()?) << 32) | i64::from(answer.i32()? as u32);
    Ok((code == 0).then_some(offset))
}

/// Sends one request over a connection of its own and returns the answer after its header.
fn ask(port: u16, api_key: i16, api_version: i16, body: &[u8]) -> Result<Vec<u8>> {
    let failed = || format!("no answer from 127.0.0.1:{port}");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).context(failed)?;
    stream.set_read_timeout(Some(TIMEOUT)).context(failed)?;
    stream.set_write_timeout(Some(TIMEOUT)).context(failed)?;

    let mut request = Writer::default();
    request.i16(api_key);
    request.i16(api_version);
    request.i32(1);
    request.string("xtask");
    request.0.extend_from_slice(body);
    let mut frame = Writer::default();
    frame.i32(request.0.len() as i32);
    frame.0.extend_from_slice(&request.0);
    stream.write_all(&frame.0).context(failed)?;

    let mut head = [0; 8];
    stream.read_exact(&mut head).context(failed)?;
    let len = Reader(&head).i32()?;
    let rest =
        usize::try_from(len).ok().and_then(|len| len.checked_sub(4)).filter(|len| *len <= ANSWER_BYTES_MAX);
    let Some(rest) = rest else {
        return Err(Error::new(format!("127.0.0.1:{port} answers with a frame of {len} bytes")));
    };
    let mut answer = vec![0; rest];
    stream.read_exact(&mut answer).context(failed)?;
    Ok(answer)
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn i16(&mut self, value: i16) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn i32(&mut self, value: i32) {
        self.0.extend_from_slice(&value.to_be_bytes());
    }

    fn string(&mut self, value: &str) {
        self.i16(value.len() as i16);
        self.0.extend_from_slice(value.as_bytes());
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some((head, rest)) = self.0.split_at_checked(count) else {
            return Err(Error::new("a broker's answer ends too early"));
        };
        self.0 = rest;
        Ok(head)
    }

    fn i16(&mut self) -> Result<i16> {
        let bytes = self.bytes(2)?;
        Ok(i16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn i32(&mut self) -> Result<i32> {
        let bytes = self.bytes(4)?;
        Ok(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A string; null reads as the empty one.
    fn string(&mut self) -> Result<String> {
        let len = self.i16()?;
        let bytes = self.bytes(usize::try_from(len).unwrap_or(0))?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}
