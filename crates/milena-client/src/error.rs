//! What can go wrong, what it happened to, and who must act.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::config::ConfigError;
use proto::types::{BrokerId, TopicPartition};
use proto::wire::{ApiKey, DecodeError, EncodeError, ErrorCode};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, sorted by who must act.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller asked for something that cannot be: a contradiction in the configuration, an unknown topic name form.
    Config,
    /// No connection could be made: nobody listens there, the name does not resolve, or what listens is not Kafka.
    Connect,
    /// The connection ended while the answer was awaited. The request may have been carried out.
    Disconnected,
    /// No answer within the deadline. The request may have been carried out.
    TimedOut,
    /// The broker sent bytes that are not what the protocol says.
    Malformed,
    /// Client and broker share no version of the API.
    Unsupported,
    /// The broker answered with an error code.
    Broker(ErrorCode),
    /// A record batch in the log cannot be read: its CRC is wrong, its lengths lie, its codec is not compiled in.
    CorruptBatch,
    /// A position is outside the log and the reset policy says to stop there.
    OffsetOutOfRange,
    /// What was read up to a position is not what the leader's log has, and the reset policy says to stop there: Java's
    /// `LogTruncationException`. The source, a [`PositionError`](crate::PositionError), says where the logs part.
    LogTruncated,
    /// One batch is larger than the configured limits allow.
    TooLarge,
    /// The member was fenced out of its group for good.
    Fenced,
    /// The thing was closed by its owner.
    Closed,
    /// A file or another local resource failed.
    Io,
    /// The program's own [`OffsetStore`](crate::consumer::OffsetStore) failed. It is tried again.
    OffsetStore,
}

/// An error with its context. Cheap to clone: a source reports the same one to several places.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

#[derive(Clone, Default)]
struct Context {
    doing: Option<String>,
    api: Option<(ApiKey, i16)>,
    broker: Option<String>,
    broker_id: Option<BrokerId>,
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    group: Option<String>,
}

/// Whose answer it was: what an error about something in it is to name.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    pub(crate) broker: Option<BrokerId>,
    pub(crate) address: Arc<str>,
}

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    context: Context,
    message: Option<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self(Arc::new(Inner { kind, context: Context::default(), message: None, source: None }))
    }

    /// A configuration that cannot be, in the caller's words.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config).message(message)
    }

    /// A batch that cannot be read, and where it lies.
    pub fn corrupt(tp: &TopicPartition, offset: i64, source: impl StdError + Send + Sync + 'static) -> Self {
        Self::new(ErrorKind::CorruptBatch).at(tp).offset(offset).source(source)
    }

    /// An answer's error code.
    pub fn broker(code: ErrorCode) -> Self {
        let kind =
            if code == ErrorCode::FENCED_INSTANCE_ID { ErrorKind::Fenced } else { ErrorKind::Broker(code) };
        Self::new(kind).message(code.message())
    }

    pub(crate) fn closed(what: &str) -> Self {
        Self::new(ErrorKind::Closed).message(format!("{what} is closed"))
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn message(self, message: impl Into<String>) -> Self {
        self.edit(|inner| inner.message = Some(message.into()))
    }

    pub(crate) fn source(self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.edit(|inner| inner.source = Some(Arc::new(source)))
    }

    /// Says what was being done: the outermost words of the message.
    pub fn doing(self, what: impl Into<String>) -> Self {
        self.edit(|inner| inner.context.doing = Some(what.into()))
    }

    pub(crate) fn api(self, api: ApiKey, version: i16) -> Self {
        self.edit(|inner| inner.context.api = Some((api, version)))
    }

    pub(crate) fn at_broker(self, broker: Option<BrokerId>, address: &str) -> Self {
        self.edit(|inner| {
            inner.context.broker_id = broker;
            inner.context.broker = Some(match broker {
                Some(id) => format!("broker {id} ({address})"),
                None => format!("bootstrap server {address}"),
            });
        })
    }

    /// Names the broker whose answer it is about, and what was asked.
    pub(crate) fn of_answer(self, origin: &Origin) -> Self {
        self.api(origin.api, origin.version).at_broker(origin.broker, &origin.address)
    }

    /// Names the partition it happened to.
    pub fn at(self, tp: &TopicPartition) -> Self {
        self.edit(|inner| {
            inner.context.topic = Some(tp.topic.to_string());
            inner.context.partition = Some(tp.partition);
        })
    }

    pub(crate) fn topic(self, topic: &str) -> Self {
        self.edit(|inner| inner.context.topic = Some(topic.to_owned()))
    }

    pub(crate) fn group(self, group: &str) -> Self {
        self.edit(|inner| inner.context.group = Some(group.to_owned()))
    }

    pub(crate) fn offset(self, offset: i64) -> Self {
        self.edit(|inner| inner.context.offset = Some(offset))
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The broker's error code, where it gave one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self.0.kind {
            ErrorKind::Broker(code) => Some(code),
            ErrorKind::Fenced => Some(ErrorCode::FENCED_INSTANCE_ID),
            _ => None,
        }
    }

    /// Whether the same call may succeed later without anybody's doing. Milena itself has then already tried until
    /// its deadline.
    pub fn is_retriable(&self) -> bool {
        match self.0.kind {
            ErrorKind::Disconnected | ErrorKind::TimedOut | ErrorKind::Connect => true,
            ErrorKind::Broker(code) => code.is_retriable(),
            _ => false,
        }
    }

    /// Whether this member is out of its group for good.
    pub fn is_fenced(&self) -> bool {
        self.0.kind == ErrorKind::Fenced
    }

    /// Whether going on makes no sense until somebody changes something: the opposite of retriable.
    pub fn is_fatal(&self) -> bool {
        !self.is_retriable()
    }

    /// The broker it happened at, where it is about one.
    pub(crate) fn broker_id(&self) -> Option<BrokerId> {
        self.0.context.broker_id
    }

    /// The partition it happened to, where it is about one.
    pub fn topic_partition(&self) -> Option<TopicPartition> {
        let context = &self.0.context;
        Some(TopicPartition::new(context.topic.as_deref()?, context.partition?))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, context, message, source } = &*self.0;
        if let Some(doing) = &context.doing {
            write!(f, "{doing}: ")?;
        }
        let mut place = Vec::new();
        if let Some((api, version)) = context.api {
            place.push(format!("{api} v{version}"));
        }
        if let Some(broker) = &context.broker {
            place.push(format!("at {broker}"));
        }
        if let Some(group) = &context.group {
            place.push(format!("group {group}"));
        }
        if let Some(topic) = &context.topic {
            place.push(format!("topic {topic}"));
        }
        if let Some(partition) = context.partition {
            place.push(format!("partition {partition}"));
        }
        if let Some(offset) = context.offset {
            place.push(format!("offset {offset}"));
        }
        if !place.is_empty() {
            write!(f, "{}: ", place.join(", "))?;
        }
        match kind {
            ErrorKind::Config => write!(f, "configuration")?,
            ErrorKind::Connect => write!(f, "no connection")?,
            ErrorKind::Disconnected => write!(f, "the connection ended before the answer")?,
            ErrorKind::TimedOut => write!(f, "no answer within the deadline")?,
            ErrorKind::Malformed => write!(f, "the answer is not what the protocol says")?,
            ErrorKind::Unsupported => write!(f, "no version in common")?,
            ErrorKind::Broker(code) => write!(f, "{code}")?,
            ErrorKind::CorruptBatch => write!(f, "a record batch cannot be read")?,
            ErrorKind::OffsetOutOfRange => write!(f, "the offset is outside the log")?,
            ErrorKind::LogTruncated => write!(f, "the log was truncated")?,
            ErrorKind::TooLarge => write!(f, "larger than the limit")?,
            ErrorKind::Fenced => write!(f, "fenced: another member uses the same group.instance.id")?,
            ErrorKind::Closed => write!(f, "closed")?,
            ErrorKind::Io => write!(f, "input or output failed")?,
            ErrorKind::OffsetStore => write!(f, "the offset store failed")?,
        }
        if let Some(message) = message {
            write!(f, ": {message}")?;
        }
        if let Some(source) = source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ({self})", self.0.kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Self::new(ErrorKind::Malformed).source(error)
    }
}

impl From<EncodeError> for Error {
    fn from(error: EncodeError) -> Self {
        Self::new(ErrorKind::Unsupported).source(error)
    }
}

impl From<ConfigError> for Error {
    fn from(error: ConfigError) -> Self {
        Self::new(ErrorKind::Config).source(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::new(ErrorKind::Io).source(error)
    }
}
