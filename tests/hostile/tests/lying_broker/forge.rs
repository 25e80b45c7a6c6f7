//! Between client and cluster: every frame of every connection passes here, and may be changed on its way.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::{Connect, Connecting, Io};
use testkit::Cluster;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream};

/// What becomes of an answer. Lengths are those of the frame without its prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Forge {
    /// The prefix says this, whatever follows.
    Length(i32),
    /// The prefix says so many bytes more, or fewer.
    LengthBy(i32),
    /// So many thousandths of the frame with its prefix arrive, and the connection ends.
    Cut(usize),
    /// So many thousandths arrive, and nothing more, ever.
    Hang(usize),
    /// Another correlation id, by that much.
    Correlation(i32),
    /// Twice the same answer.
    Twice,
    /// One answer late: that of the request before comes first, if there is one.
    Held,
    /// These bytes instead, and the connection ends.
    Instead(&'static [u8]),
    /// The body (all behind the correlation id) is so many thousandths of what it is, in a frame of that length.
    Shorten(usize),
    /// The body has these bytes more behind it.
    Lengthen(&'static [u8]),
    /// All bytes of the body are this one.
    Fill(u8),
    /// A body of so many bytes of noise.
    Noise(usize),
    /// Every n-th byte of the body is flipped.
    Flip(usize),
}

/// Which answers, and what becomes of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    pub(crate) api: i16,
    /// All brokers, or one.
    pub(crate) broker: Option<i32>,
    pub(crate) forge: Forge,
}

/// The way to the cluster.
#[derive(Clone)]
pub(crate) struct Tap(Arc<Inner>);

struct Inner {
    cluster: Cluster,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rule: Option<Rule>,
    /// How often the rule has been used.
    used: u64,
    /// Connections that were opened, by broker and second.
    opened: BTreeMap<(i32, u64), u64>,
    /// How many answers passed at this very moment.
    at: (Duration, u64),
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tap")
    }
}

impl Tap {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        Self(Arc::new(Inner { cluster: cluster.clone(), state: Mutex::default() }))
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn lie(&self, rule: Rule) {
        self.with(|state| state.rule = Some(rule));
    }

    pub(crate) fn heal(&self) {
        self.with(|state| state.rule = None);
    }

    /// How often answers have been forged since this was asked last.
    pub(crate) fn used(&self) -> u64 {
        self.with(|state| std::mem::take(&mut state.used))
    }

    /// The connections opened to each broker in each second.
    pub(crate) fn opened(&self) -> BTreeMap<(i32, u64), u64> {
        self.with(|state| state.opened.clone())
    }

    /// Simulated time stands still as long as somebody has something to do. So that a client without a pause can be counted
    /// at all, each answer beyond some takes a while.
    async fn cool_down(&self) {
        let now = self.0.cluster.now();
        let is_hot = self.with(|state| {
            let count = if state.at.0 == now { state.at.1 + 1 } else { 0 };
            state.at = (now, count);
            count > HOT
        });
        if is_hot {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What becomes of the next answer of that kind.
    fn forge(&self, api: i16, broker: i32) -> Option<Forge> {
        self.with(|state| {
            let rule =
                state.rule.filter(|rule| rule.api == api && rule.broker.is_none_or(|only| only == broker))?;
            state.used += 1;
            Some(rule.forge)
        })
    }
}

impl Connect for Tap {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move {
            let broker = self.0.cluster.change(|cluster| {
                cluster.brokers().find(|(_, b)| b.host == host && b.port == port).map(|(id, _)| id.0)
            });
            let second = self.0.cluster.now().as_secs();
            let number = broker.unwrap_or(-1);
            self.with(|state| *state.opened.entry((number, second)).or_default() += 1);
            let server = self.0.cluster.connect_to(host, port)?;
            let (client, ours) = tokio::io::duplex(BUFFER_BYTES);
            tokio::spawn(pump(self.clone(), number, ours, server));
            Ok(Box::new(client) as Box<dyn Io>)
        })
    }
}

/// Carries requests to the broker and answers back, until either end is closed.
async fn pump(tap: Tap, broker: i32, client: DuplexStream, server: DuplexStream) {
    let asked: Arc<Mutex<VecDeque<i16>>> = Arc::default();
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let requests = async {
        while let Ok(frame) = read_frame(&mut from_client).await {
            let api = frame.first_chunk().map_or(-1, |api| i16::from_be_bytes(*api));
            asked.lock().unwrap_or_else(PoisonError::into_inner).push_back(api);
            let len = u32::try_from(frame.len()).expect("requests are small").to_be_bytes();
            if to_server.write_all(&[&len[..], &frame].concat()).await.is_err() {
                break;
            }
        }
    };
    let answers = async {
        let mut held = None;
        while let Ok(frame) = read_frame(&mut from_server).await {
            let api = asked.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(-1);
            tap.cool_down().await;
            let Some(forge) = tap.forge(api, broker) else {
                if to_client.write_all(&framed(&frame)).await.is_err() {
                    break;
                }
                continue;
            };
            let Forged { bytes, then } = forge_frame(forge, frame, &mut held);
            if to_client.write_all(&bytes).await.is_err() || matches!(then, Then::Close) {
                break;
            }
            if matches!(then, Then::Silence) {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        () = requests => {}
        () = answers => {}
    }
}

struct Forged {
    bytes: Vec<u8>,
    then: Then,
}

enum Then {
    GoOn,
    Close,
    Silence,
}

fn framed(frame: &[u8]) -> Vec<u8> {
    [&u32::try_from(frame.len()).expect("answers are small").to_be_bytes()[..], frame].concat()
}

fn forge_frame(forge: Forge, mut frame: Vec<u8>, held: &mut Option<Vec<u8>>) -> Forged {
    let go_on = |bytes| Forged { bytes, then: Then::GoOn };
    let body_len = frame.len().saturating_sub(4);
    match forge {
        Forge::Length(len) => go_on([&len.to_be_bytes()[..], &frame].concat()),
        Forge::LengthBy(by) => {
            let len = i32::try_from(frame.len()).expect("answers are small") + by;
            go_on([&len.to_be_bytes()[..], &frame].concat())
        }
        Forge::Cut(part) | Forge::Hang(part) => {
            let mut bytes = framed(&frame);
            bytes.truncate(bytes.len() * part / 1000);
            Forged { bytes, then: if matches!(forge, Forge::Cut(_)) { Then::Close } else { Then::Silence } }
        }
        Forge::Correlation(by) => {
            let id = frame.first_chunk().map_or(0, |id| i32::from_be_bytes(*id));
            frame[..4].copy_from_slice(&id.wrapping_add(by).to_be_bytes());
            go_on(framed(&frame))
        }
        Forge::Twice => go_on([framed(&frame), framed(&frame)].concat()),
        Forge::Held => match held.replace(frame) {
            Some(before) => go_on(framed(&before)),
            None => go_on(Vec::new()),
        },
        Forge::Instead(bytes) => Forged { bytes: bytes.to_vec(), then: Then::Close },
        Forge::Shorten(part) => {
            frame.truncate(4 + body_len * part / 1000);
            go_on(framed(&frame))
        }
        Forge::Lengthen(bytes) => go_on(framed(&[&frame[..], bytes].concat())),
        Forge::Fill(byte) => {
            frame[4..].fill(byte);
            go_on(framed(&frame))
        }
        Forge::Noise(len) => {
            frame.truncate(4);
            let mut state = 0x9e37_79b9_u32;
            frame.extend((0..len).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            }));
            go_on(framed(&frame))
        }
        Forge::Flip(every) => {
            frame[4..].iter_mut().step_by(every).for_each(|byte| *byte ^= 0xff);
            go_on(framed(&frame))
        }
    }
}

async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let len = stream.read_u32().await?;
    let mut frame = vec![0; usize::try_from(len).unwrap_or(0)];
    stream.read_exact(&mut frame).await?;
    Ok(frame)
}

/// More answers at one moment than any client of this size can want.
const HOT: u64 = 300;
/// As much as a loopback socket holds.
const BUFFER_BYTES: usize = 256 << 10;
