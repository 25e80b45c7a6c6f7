//! A member's way to its brokers that is cut, stalled or split behind one of its bytes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use client::{Connect, Connecting, Io};
use testkit::Cluster;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Which way a byte goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    ToBroker,
    FromBroker,
}

/// What happens behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Damage {
    /// The connection is closed.
    Cut,
    /// Nothing more comes this way on this connection, for ever.
    Stall,
    /// What follows comes a moment later, in another read.
    Split,
}

impl Damage {
    pub(crate) const ALL: [Self; 3] = [Self::Cut, Self::Stall, Self::Split];
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::ToBroker, Self::FromBroker];
}

/// One damage: behind so many bytes that went this way, all connections together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Fault {
    pub(crate) way: Way,
    pub(crate) damage: Damage,
    pub(crate) behind: u64,
}

/// The way to the brokers. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    cluster: Cluster,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    fault: Option<Fault>,
    passed: [u64; 2],
}

impl Wire {
    pub(crate) fn new(cluster: &Cluster, fault: Option<Fault>) -> Self {
        Self { cluster: cluster.clone(), shared: Arc::new(Mutex::new(Shared { fault, passed: [0; 2] })) }
    }

    /// How many bytes went that way.
    pub(crate) fn passed(&self, way: Way) -> u64 {
        self.lock().passed[way as usize]
    }

    /// Whether the damage is still to come.
    pub(crate) fn is_whole(&self) -> bool {
        self.lock().fault.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes may go at once.
    fn room(&self, way: Way) -> usize {
        let shared = self.lock();
        let left = shared
            .fault
            .filter(|fault| fault.way == way)
            .map(|fault| fault.behind - shared.passed[way as usize]);
        left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX))
    }

    /// So many bytes went. Returns the damage that comes behind them.
    fn pass(&self, way: Way, bytes: usize) -> Option<Damage> {
        let mut shared = self.lock();
        shared.passed[way as usize] += bytes as u64;
        let passed = shared.passed[way as usize];
        shared.fault.take_if(|fault| fault.way == way && fault.behind == passed).map(|fault| fault.damage)
    }
}

impl Connect for Wire {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move {
            let stream = Some(self.cluster.connect_to(host, port)?);
            let wire = self.clone();
            Ok(Box::new(Stream { stream, wire, stalled: [false; 2], later: [None, None] }) as Box<dyn Io>)
        })
    }
}

struct Stream {
    /// None once it was cut.
    stream: Option<DuplexStream>,
    wire: Wire,
    stalled: [bool; 2],
    later: [Option<Pin<Box<Sleep>>>; 2],
}

/// Between the two parts of what was split.
const MOMENT: Duration = Duration::from_millis(1);

impl Stream {
    fn poll_way(&mut self, way: Way, cx: &mut Context<'_>) -> Poll<()> {
        if self.stalled[way as usize] {
            // Nobody wakes it: its owner has deadlines of its own.
            return Poll::Pending;
        }
        if let Some(later) = &mut self.later[way as usize] {
            ready!(later.as_mut().poll(cx));
            self.later[way as usize] = None;
        }
        Poll::Ready(())
    }

    fn passed(&mut self, way: Way, bytes: usize) {
        match self.wire.pass(way, bytes) {
            Some(Damage::Cut) => self.stream = None,
            Some(Damage::Stall) => self.stalled[way as usize] = true,
            Some(Damage::Split) => self.later[way as usize] = Some(Box::pin(sleep(MOMENT))),
            None => {}
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(this.poll_way(Way::FromBroker, cx));
        let room = this.wire.room(Way::FromBroker).min(buf.remaining());
        // At the end of a cut connection there is nothing more.
        let Some(stream) = &mut this.stream else { return Poll::Ready(Ok(())) };
        let mut part = vec![0; room];
        let mut part = ReadBuf::new(&mut part);
        ready!(Pin::new(stream).poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        let bytes = part.filled().len();
        this.passed(Way::FromBroker, bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_way(Way::ToBroker, cx));
        let room = this.wire.room(Way::ToBroker).min(buf.len());
        let Some(stream) = &mut this.stream else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let bytes = ready!(Pin::new(stream).poll_write(cx, &buf[..room]))?;
        this.passed(Way::ToBroker, bytes);
        Poll::Ready(Ok(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_flush(cx),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}
