//! What does not work for a while is said at once, then ever more seldom, and once more when it works again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::types::{BrokerId, TopicPartition};

use crate::clock;
use crate::error::{Error, ErrorKind};

/// What works, or does not.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Subject {
    /// The group's coordinator.
    Coordinator,
    /// The program's own store of offsets.
    Store,
    /// Fetching from a broker.
    Broker(BrokerId),
    /// Reading a partition.
    Partition(TopicPartition),
}

impl Subject {
    /// What an error is about, as far as it says.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        match error.topic_partition() {
            Some(partition) => Some(Self::Partition(partition)),
            None => error.broker_id().map(Self::Broker),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Coordinator => f.write_str("the group's coordinator"),
            Self::Store => f.write_str("the offset store"),
            Self::Broker(broker) => write!(f, "broker {broker}"),
            Self::Partition(partition) => write!(f, "{partition}"),
        }
    }
}

/// All that does not work at the moment. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outages(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    outages: Mutex<BTreeMap<Subject, Outage>>,
    /// How many there are, so that to say that something works costs one load while all does.
    open: AtomicUsize,
}

/// Something that does not work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Outage {
    /// When that was noticed.
    pub(crate) since: Instant,
    /// How often it was tried in vain.
    pub(crate) failures: u64,
    /// How often that was said, ...
    said: usize,
    /// ... and of what kind it was then.
    kind: ErrorKind,
    last_said: Instant,
}

/// The time between what is said of an outage; the last one holds for the rest.
const PAUSES: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(600)];

impl Outages {
    /// It failed (again): the outage, and whether to say so now.
    pub(crate) fn failed(&self, subject: Subject, kind: ErrorKind) -> (Outage, bool) {
        let now = clock::now();
        let mut outages = self.lock();
        // A broker that cannot be reached fails in many ways; what is wrong with a partition is another matter each time.
        let is_news = matches!(subject, Subject::Partition(_));
        let outage = outages.entry(subject).or_insert_with(|| Outage::new(now, kind));
        if is_news && outage.kind != kind {
            *outage = Outage { said: 0, kind, ..*outage };
        }
        let say = outage.failed(now);
        let outage = *outage;
        self.0.open.store(outages.len(), Ordering::Release);
        (outage, say)
    }

    /// It works: the outage that is over with this, if there was one. Asked all the time, so it is one load while all works.
    pub(crate) fn works(&self, subject: impl FnOnce() -> Subject) -> Option<(Subject, Outage)> {
        if self.0.open.load(Ordering::Acquire) == 0 {
            return None;
        }
        let subject = subject();
        let mut outages = self.lock();
        let outage = outages.remove(&subject);
        self.0.open.store(outages.len(), Ordering::Release);
        outage.map(|outage| (subject, outage))
    }

    /// Whether it is known not to work, and that was said.
    pub(crate) fn is_known(&self, subject: &Subject) -> bool {
        self.0.open.load(Ordering::Acquire) > 0 && self.lock().contains_key(subject)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Subject, Outage>> {
        self.0.outages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outage {
    fn new(now: Instant, kind: ErrorKind) -> Self {
        Self { since: now, failures: 0, said: 0, kind, last_said: now }
    }

    fn failed(&mut self, now: Instant) -> bool {
        self.failures += 1;
        let pause = self.said.checked_sub(1).map(|said| PAUSES[said.min(PAUSES.len() - 1)]);
        let say = pause.is_none_or(|pause| now >= self.last_said + pause);
        if say {
            self.said += 1;
            self.last_said = now;
        }
        say
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_said_ever_more_seldom() {
        let start = clock::now();
        let mut outage = Outage::new(start, ErrorKind::Connect);
        let said: Vec<u64> =
            (0..2000).filter(|second| outage.failed(start + Duration::from_secs(*second))).collect();
        assert_eq!(said, [0, 10, 70, 670, 1270, 1870]);
        assert_eq!(outage.failures, 2000);
    }

    #[tokio::test(start_paused = true)]
    async fn each_subject_has_its_own_and_an_end() {
        let (outages, broker) = (Outages::default(), || Subject::Broker(BrokerId(1)));
        let (dead, lost) = (ErrorKind::Connect, ErrorKind::Disconnected);
        assert_eq!(outages.works(broker), None);
        assert!(outages.failed(broker(), dead).1);
        assert!(!outages.failed(broker(), lost).1);
        assert!(!outages.is_known(&Subject::Coordinator));
        assert!(outages.failed(Subject::Coordinator, dead).1, "another one is said");
        assert!(outages.is_known(&Subject::Coordinator));
        tokio::time::advance(Duration::from_secs(7)).await;
        let (_, over) = outages.works(broker).unwrap();
        assert_eq!((over.failures, clock::now() - over.since), (2, Duration::from_secs(7)));
        assert_eq!(outages.works(broker), None, "said once");
        assert!(outages.failed(broker(), dead).1, "a new outage begins");
    }

    #[test]
    fn of_a_partition_every_other_kind_of_error_is_said() {
        let (outages, orders) = (Outages::default(), || Subject::Partition(TopicPartition::new("orders", 1)));
        let say = |kind| outages.failed(orders(), kind).1;
        assert!(say(ErrorKind::CorruptBatch));
        assert!(!say(ErrorKind::CorruptBatch));
        assert!(say(ErrorKind::TooLarge));
    }

    #[test]
    fn an_error_says_what_it_is_about() {
        let error = || Error::closed("x").at_broker(Some(BrokerId(3)), "b:9");
        assert_eq!(Subject::of(&error()), Some(Subject::Broker(BrokerId(3))));
        let tp = TopicPartition::new("orders", 1);
        assert_eq!(Subject::of(&error().at(&tp)), Some(Subject::Partition(tp)));
        assert_eq!(Subject::of(&Error::closed("x")), None);
    }
}
