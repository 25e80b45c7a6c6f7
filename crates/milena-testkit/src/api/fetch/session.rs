//! Fetch sessions (KIP-227). Java: `FetchSession.scala`.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::BrokerId;
use kafka_protocol::messages::fetch_response::PartitionData;

use super::{Key, Want};
use crate::error_code::ErrorCode;

/// The sessions of all brokers.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    caches: BTreeMap<BrokerId, Cache>,
}

/// The sessions of one broker.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    sessions: BTreeMap<i32, Session>,
    made: i32,
}

#[derive(Debug)]
struct Session {
    /// What the next request has to say.
    epoch: i32,
    uses_topic_ids: bool,
    /// In the order in which they are read.
    partitions: Vec<Cached>,
    last_used: Duration,
}

#[derive(Debug)]
struct Cached {
    want: Want,
    /// As the client was last told; -1 makes sure that it is told again.
    high_watermark: i64,
    log_start_offset: i64,
}

/// What a request says about its session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) id: i32,
    pub(super) epoch: i32,
    pub(super) version: i16,
}

/// What kind of fetch it is.
#[derive(Debug, Clone)]
pub(super) enum Context {
    /// No session, and none wanted.
    Sessionless,
    /// All partitions are listed, and a session begins.
    Full { uses_topic_ids: bool, slots: usize },
    /// Only what has changed is listed, and only what has changed is answered.
    Incremental { id: i32 },
}

impl Sessions {
    pub(crate) fn of(&mut self, broker: BrokerId) -> &mut Cache {
        self.caches.entry(broker).or_default()
    }

    pub(crate) fn forget(&mut self, broker: BrokerId) {
        self.caches.remove(&broker);
    }

    /// Forgets all sessions of all brokers, as if others had taken their slots.
    pub(crate) fn evict_all(&mut self) {
        self.caches.values_mut().for_each(|cache| cache.sessions.clear());
    }
}

impl Cache {
    /// `FetchManager.newContext`: the kind of fetch, and all partitions that it is about.
    pub(super) fn open(
        &mut self,
        asked: Asked,
        listed: Vec<Want>,
        forgotten: &[Key],
        slots: usize,
        now: Duration,
    ) -> Result<(Context, Vec<Want>), ErrorCode> {
        let uses_topic_ids = asked.version >= 13;
        if asked.version < 7 {
            return Ok((Context::Sessionless, listed));
        }
        if asked.epoch == INITIAL_EPOCH || asked.epoch == FINAL_EPOCH {
            // Whoever lists everything is done with the session it had.
            self.sessions.remove(&asked.id);
            let is_final = asked.epoch == FINAL_EPOCH;
            let context =
                if is_final { Context::Sessionless } else { Context::Full { uses_topic_ids, slots } };
            return Ok((context, listed));
        }
        let session = self.sessions.get_mut(&asked.id).ok_or(ErrorCode::FETCH_SESSION_ID_NOT_FOUND)?;
        if session.epoch != asked.epoch {
            return Err(ErrorCode::INVALID_FETCH_SESSION_EPOCH);
        }
        if session.uses_topic_ids != uses_topic_ids {
            return Err(ErrorCode::FETCH_SESSION_TOPIC_ID_ERROR);
        }
        session.update(listed, forgotten);
        session.last_used = now;
        session.epoch = next_epoch(session.epoch);
        let wants: Vec<_> = session.partitions.iter().map(|cached| cached.want.clone()).collect();
        if wants.is_empty() {
            self.sessions.remove(&asked.id);
            return Ok((Context::Sessionless, wants));
        }
        Ok((Context::Incremental { id: asked.id }, wants))
    }

    /// Takes note of what is going to be answered, and leaves out what the client knows. Returns the session's id, or 0.
    pub(super) fn close(
        &mut self,
        context: &Context,
        partitions: &mut Vec<(Want, PartitionData)>,
        now: Duration,
    ) -> i32 {
        match *context {
            Context::Sessionless => 0,
            Context::Full { uses_topic_ids, slots } => {
                if !self.make_room(slots, now) {
                    return 0;
                }
                let cached = partitions.iter().map(|(want, data)| Cached::new(want.clone(), data)).collect();
                self.made = self.made.checked_add(1).unwrap_or(1);
                let epoch = next_epoch(INITIAL_EPOCH);
                let session = Session { epoch, uses_topic_ids, partitions: cached, last_used: now };
                self.sessions.insert(self.made, session);
                self.made
            }
            Context::Incremental { id } => {
                // A session that somebody closed meanwhile: Java's objects live on, and so does this answer.
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.leave_out(partitions);
                }
                id
            }
        }
    }

    /// `FetchSessionCacheShard.tryEvict`: only a session that was idle for two minutes makes room.
    fn make_room(&mut self, slots: usize, now: Duration) -> bool {
        if self.sessions.len() < slots {
            return true;
        }
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.last_used);
        let idle =
            oldest.filter(|(_, session)| now.saturating_sub(session.last_used) > EVICTION).map(|(id, _)| *id);
        idle.is_some_and(|id| self.sessions.remove(&id).is_some())
    }
}

impl Session {
    fn update(&mut self, listed: Vec<Want>, forgotten: &[Key]) {
        for want in listed {
            match self.partitions.iter_mut().find(|cached| cached.want.key() == want.key()) {
                Some(cached) => cached.want = want,
                None => self.partitions.push(Cached { want, high_watermark: -1, log_start_offset: -1 }),
            }
        }
        self.partitions.retain(|cached| !forgotten.contains(&cached.want.key()));
    }

    fn leave_out(&mut self, partitions: &mut Vec<(Want, PartitionData)>) {
        let mut to_the_end = Vec::new();
        partitions.retain(|(want, data)| {
            let key = want.key();
            let Some(index) = self.partitions.iter().position(|cached| cached.want.key() == key) else {
                return true;
            };
            let must_say = self.partitions[index].update(data);
            if has_records(data) {
                to_the_end.push(self.partitions.remove(index));
            }
            must_say
        });
        self.partitions.extend(to_the_end);
    }
}

impl Cached {
    fn new(want: Want, data: &PartitionData) -> Self {
        let mut cached = Self { want, high_watermark: -1, log_start_offset: -1 };
        cached.update(data);
        cached
    }

    /// `CachedPartition.maybeUpdateResponseData`: whether there is something that the client does not know.
    fn update(&mut self, data: &PartitionData) -> bool {
        let is_news = has_records(data)
            || self.high_watermark != data.high_watermark
            || self.log_start_offset != data.log_start_offset
            || *data.preferred_read_replica >= 0
            || data.error_code != 0
            || data.diverging_epoch.end_offset >= 0;
        self.high_watermark = if data.error_code == 0 { data.high_watermark } else { -1 };
        self.log_start_offset = data.log_start_offset;
        is_news
    }
}

fn has_records(data: &PartitionData) -> bool {
    data.records.as_ref().is_some_and(|records| !records.is_empty())
}

/// Wraps to 1: 0 means a new session.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

const INITIAL_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;
/// `min.incremental.fetch.session.eviction.ms`.
const EVICTION: Duration = Duration::from_secs(120);
