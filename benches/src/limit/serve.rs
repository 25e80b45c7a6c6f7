//! Listening, and the loop of a connection.

use std::io::{self, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicI32;
use std::thread;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::{Decodable, HeaderVersion};

use crate::limit::fetch::Fetches;
use crate::limit::log::Log;
use crate::limit::options::Options;
use crate::limit::{TOPIC, answer};

/// A cluster that listens. It does so until the process ends.
#[derive(Debug)]
pub struct Server {
    cluster: Arc<Cluster>,
}

/// What all connections know.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) options: Options,
    /// The ports of the brokers, in order of their ids.
    pub(super) ports: Vec<u16>,
    /// Of the partitions that have records.
    pub(super) logs: Vec<Log>,
    pub(super) next_session: AtomicI32,
}

impl Server {
    /// Builds the batches, and listens on the loopback.
    ///
    /// # Errors
    /// A port is taken, or a codec fails.
    pub fn start(options: Options) -> io::Result<Self> {
        let build = |partition| Log::build(&options, partition).map_err(io::Error::other);
        let logs = (0..options.partitions).map(build).collect::<io::Result<_>>()?;
        let bind = |broker: usize| {
            let offset = if options.port == 0 { 0 } else { broker as u16 };
            TcpListener::bind(("127.0.0.1", options.port + offset))
        };
        let listeners = (0..options.broker_count()).map(bind).collect::<io::Result<Vec<_>>>()?;
        let ports = listeners.iter().map(|listener| Ok(listener.local_addr()?.port()));
        let ports = ports.collect::<io::Result<_>>()?;
        let cluster = Arc::new(Cluster { options, ports, logs, next_session: AtomicI32::new(1) });
        for (broker, listener) in listeners.into_iter().enumerate() {
            let cluster = cluster.clone();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let cluster = cluster.clone();
                    thread::spawn(move || {
                        // A client that goes away is no error, and one that asks for what there is not sees it close.
                        if let Err(error) = Connection::new(cluster, broker, stream).and_then(Connection::run)
                            && error.kind() == io::ErrorKind::InvalidData
                        {
                            eprintln!("limit-server: {error}");
                        }
                    });
                }
            });
        }
        Ok(Self { cluster })
    }

    /// `host:port` of the first broker.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.cluster.ports[0])
    }

    /// Records of all partitions: as many as were asked for, or some more.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.cluster.logs.iter().map(|log| log.end() as u64).sum()
    }

    /// Bytes of all logs.
    #[must_use]
    pub fn log_bytes(&self) -> u64 {
        self.cluster.logs.iter().map(Log::bytes).sum()
    }

    /// All that a client must know, as a line of JSON.
    #[must_use]
    pub fn describe(&self) -> String {
        format!(
            "{{\"bootstrap\":\"{}\",\"topic\":\"{TOPIC}\",\"partitions\":{},\"records\":{},\"log_bytes\":{}}}",
            self.bootstrap(),
            self.cluster.options.partition_count(),
            self.records(),
            self.log_bytes(),
        )
    }
}

/// One connection of a client.
struct Connection {
    cluster: Arc<Cluster>,
    broker: usize,
    stream: TcpStream,
    fetches: Fetches,
}

impl Connection {
    fn new(cluster: Arc<Cluster>, broker: usize, stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { fetches: Fetches::new(cluster.clone(), broker), cluster, broker, stream })
    }

    fn run(mut self) -> io::Result<()> {
        loop {
            let mut size = [0; 4];
            self.stream.read_exact(&mut size)?;
            let size = usize::try_from(i32::from_be_bytes(size)).map_err(io::Error::other)?;
            if size > REQUEST_BYTES_MAX {
                return Err(invalid(format!("a request of {size} bytes")));
            }
            let mut frame = vec![0; size];
            self.stream.read_exact(&mut frame)?;
            self.answer(frame.into())?;
        }
    }

    fn answer(&mut self, mut frame: Bytes) -> io::Result<()> {
        let (Some(key), Some(version)) = (int16(&frame, 0), int16(&frame, 2)) else {
            return Err(invalid("a request without a header"));
        };
        let api = ApiKey::try_from(key).map_err(|()| invalid(format!("no API has the key {key}")))?;
        let header_version = api.request_header_version(version);
        let header = RequestHeader::decode(&mut frame, header_version).map_err(invalid)?;
        if api == ApiKey::Fetch {
            return self.fetches.answer(header.correlation_id, version, frame, &mut self.stream);
        }
        let mut out = BytesMut::with_capacity(1024);
        out.extend_from_slice(&[0; 4]);
        answer::answer(&self.cluster, self.broker, api, header, frame, &mut out).map_err(invalid)?;
        let size = (out.len() - 4) as i32;
        out[..4].copy_from_slice(&size.to_be_bytes());
        self.stream.write_all(&out)
    }
}

/// Writes three pieces, with one call if the socket takes them.
pub(super) fn write_all(stream: &mut TcpStream, pieces: [&[u8]; 3]) -> io::Result<()> {
    let mut pieces = pieces.map(IoSlice::new);
    let mut left = &mut pieces[..];
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match stream.write_vectored(left)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => IoSlice::advance_slices(&mut left, written),
        }
    }
    Ok(())
}

pub(super) fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// The header version of the answers of a message type.
pub(super) fn header_version<T: HeaderVersion>(version: i16) -> i16 {
    T::header_version(version)
}

fn int16(bytes: &[u8], at: usize) -> Option<i16> {
    Some(i16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// A full fetch of a hundred thousand partitions has some megabytes.
const REQUEST_BYTES_MAX: usize = 64 << 20;
