//! Changes: topics come and go, leaders move, brokers stop and start.

use std::collections::BTreeMap;

use kafka_protocol::messages::BrokerId;
use uuid::Uuid;

use super::{BrokerState, ClusterState, News, OFFSETS_TOPIC, Partition, TOPIC_SETTINGS, TXN_TOPIC, Topic};
use crate::error_code::ErrorCode;

/// A topic that is to be created.
#[derive(Debug, Clone, Default)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Number of partitions; `None` for the cluster's default.
    pub partitions: Option<i32>,
    /// Replication factor; `None` for the cluster's default.
    pub replication: Option<i16>,
    /// Replicas of each partition, instead of the two above.
    pub assignments: Vec<(i32, Vec<BrokerId>)>,
    /// Settings.
    pub config: BTreeMap<String, String>,
}

impl NewTopic {
    /// With a number of partitions and defaults for the rest.
    pub fn new(name: &str, partitions: i32) -> Self {
        Self { name: name.to_owned(), partitions: Some(partitions), ..Self::default() }
    }
}

/// Why the controller refuses a change: the code, and the sentence beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeError {
    /// Kafka's code.
    pub code: ErrorCode,
    /// What it says.
    pub message: String,
}

impl std::fmt::Display for ChangeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ChangeError {}

fn refuse<T>(code: ErrorCode, message: impl Into<String>) -> Result<T, ChangeError> {
    Err(ChangeError { code, message: message.into() })
}

impl ClusterState {
    /// Creates a topic; its id.
    ///
    /// # Errors
    /// As the controller refuses it (Java: `ReplicationControlManager.createTopic`).
    pub fn create_topic(&mut self, new: &NewTopic) -> Result<Uuid, ChangeError> {
        let replicas = self.check_new_topic(new)?;
        let id = self.new_id();
        let is_internal = new.name == OFFSETS_TOPIC || new.name == TXN_TOPIC;
        let partitions = replicas.into_iter().map(|replicas| self.new_partition(replicas)).collect();
        let topic = Topic { id, is_internal, config: new.config.clone(), partitions };
        self.topics.insert(new.name.clone(), topic);
        self.names.insert(id, new.name.clone());
        self.tell(News::TopicsChanged);
        Ok(id)
    }

    /// The checks of [`create_topic`](Self::create_topic) alone: `validate_only`. The replicas that each partition would get.
    ///
    /// # Errors
    /// As there.
    pub fn check_new_topic(&self, new: &NewTopic) -> Result<Vec<Vec<BrokerId>>, ChangeError> {
        check_name(&new.name)?;
        if self.topics.contains_key(&new.name) {
            return refuse(ErrorCode::TOPIC_ALREADY_EXISTS, format!("Topic '{}' already exists.", new.name));
        }
        if let Some(name) = new.config.keys().find(|name| !is_setting(name)) {
            return refuse(ErrorCode::INVALID_CONFIG, format!("Unknown topic config name: {name}"));
        }
        if !new.assignments.is_empty() {
            return self.check_assignments(new);
        }
        let alive: Vec<_> = self.alive().collect();
        let asked = new.replication.filter(|factor| *factor != -1);
        let factor = asked.unwrap_or(self.settings.replication_default.min(self.brokers.len() as i16));
        if factor <= 0 {
            return refuse(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            );
        }
        let count = new.partitions.filter(|count| *count != -1).unwrap_or(self.settings.partitions_default);
        if count <= 0 {
            return refuse(
                ErrorCode::INVALID_PARTITIONS,
                "Number of partitions was set to an invalid non-positive value.",
            );
        }
        if factor as usize > alive.len() {
            return refuse(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                format!(
                    "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot be \
                     reached because only {} broker(s) are registered.",
                    alive.len()
                ),
            );
        }
        Ok(self.spread(&alive, 0, count, factor as usize))
    }

    fn check_assignments(&self, new: &NewTopic) -> Result<Vec<Vec<BrokerId>>, ChangeError> {
        if new.partitions.is_some_and(|count| count != -1) {
            return refuse(
                ErrorCode::INVALID_REQUEST,
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            );
        }
        if new.replication.is_some_and(|factor| factor != -1) {
            return refuse(
                ErrorCode::INVALID_REQUEST,
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            );
        }
        let mut assignments = new.assignments.clone();
        assignments.sort_by_key(|(partition, _)| *partition);
        for (expected, (partition, replicas)) in assignments.iter().enumerate() {
            if *partition != expected as i32 {
                return refuse(
                    ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                    "partitions should be a consecutive 0-based integer sequence",
                );
            }
            self.check_replicas(replicas)?;
        }
        Ok(assignments.into_iter().map(|(_, replicas)| replicas).collect())
    }

    fn check_replicas(&self, replicas: &[BrokerId]) -> Result<(), ChangeError> {
        let unknown = replicas.iter().any(|broker| !self.brokers.contains_key(broker));
        let twice = (1..replicas.len()).any(|at| replicas[..at].contains(&replicas[at]));
        if replicas.is_empty() || unknown || twice {
            return refuse(
                ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                format!(
                    "The manual partition assignment {replicas:?} is empty, or names a broker twice or one that is unknown."
                ),
            );
        }
        Ok(())
    }

    /// Deletes a topic; its id.
    ///
    /// # Errors
    /// `UNKNOWN_TOPIC_OR_PARTITION`.
    pub fn delete_topic(&mut self, name: &str) -> Result<Uuid, ChangeError> {
        let Some(topic) = self.topics.remove(name) else {
            return refuse(
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                "This server does not host this topic-partition.",
            );
        };
        self.names.remove(&topic.id);
        self.tell(News::TopicDeleted { name: name.to_owned(), id: topic.id });
        self.tell(News::TopicsChanged);
        Ok(topic.id)
    }

    /// Gives a topic more partitions, `count` in all.
    ///
    /// # Errors
    /// As the controller refuses it.
    pub fn create_partitions(
        &mut self,
        name: &str,
        count: i32,
        assignments: Option<&[Vec<BrokerId>]>,
        validate_only: bool,
    ) -> Result<(), ChangeError> {
        let Some(topic) = self.topics.get(name) else {
            return refuse(
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                "This server does not host this topic-partition.",
            );
        };
        let have = topic.partitions.len() as i32;
        if count == have {
            return refuse(ErrorCode::INVALID_PARTITIONS, format!("Topic already has {have} partition(s)."));
        }
        if count < have {
            return refuse(
                ErrorCode::INVALID_PARTITIONS,
                format!(
                    "The topic {name} currently has {have} partition(s); {count} would not be an increase."
                ),
            );
        }
        let replicas = match assignments {
            None => {
                let factor = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
                let alive: Vec<_> = self.alive().collect();
                self.spread(&alive, have, count - have, factor.min(alive.len()))
            }
            Some(assignments) if assignments.len() as i32 != count - have => {
                return refuse(
                    ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                    format!(
                        "Attempted to add {} additional partition(s), but {} assignment(s) were specified.",
                        count - have,
                        assignments.len()
                    ),
                );
            }
            Some(assignments) => {
                assignments.iter().try_for_each(|replicas| self.check_replicas(replicas))?;
                assignments.to_vec()
            }
        };
        if validate_only {
            return Ok(());
        }
        let new: Vec<_> = replicas.into_iter().map(|replicas| self.new_partition(replicas)).collect();
        if let Some(topic) = self.topics.get_mut(name) {
            topic.partitions.extend(new);
        }
        self.tell(News::TopicsChanged);
        Ok(())
    }

    /// Makes sure that `__consumer_offsets` or `__transaction_state` is there: a broker creates it when somebody first asks for
    /// a coordinator.
    pub fn ensure_internal_topic(&mut self, name: &str) {
        if self.topics.contains_key(name) {
            return;
        }
        let count =
            if name == TXN_TOPIC { self.settings.txn_partitions } else { self.settings.offsets_partitions };
        let config = [("cleanup.policy", "compact")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let new = NewTopic {
            config: config.into(),
            replication: Some(self.alive().count().min(3) as i16),
            ..NewTopic::new(name, count)
        };
        // Refused only while no broker is alive, and then nobody asks.
        let _ = self.create_topic(&new);
    }

    /// Makes a replica in sync the leader, in a new epoch.
    ///
    /// # Errors
    /// If it is none, or not alive.
    pub fn move_leader(&mut self, topic: &str, partition: i32, to: BrokerId) -> Result<(), ChangeError> {
        let alive = self.is_alive(to);
        let Some(state) = self.partition_mut(topic, partition) else {
            return refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("there is no {topic}-{partition}"));
        };
        if !alive || !state.isr.contains(&to) {
            return refuse(
                ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
                format!(
                    "broker {to:?} is not a live replica in sync of {topic}-{partition}: {:?}",
                    state.isr
                ),
            );
        }
        state.elect(Some(to));
        self.tell(News::LeaderMoved { topic: topic.to_owned(), partition, leader: Some(to) });
        Ok(())
    }

    /// Makes a live replica the leader although it is not in sync: what it lacks is lost to everybody.
    ///
    /// # Errors
    /// If it is no replica, or not alive.
    pub fn elect_unclean(&mut self, topic: &str, partition: i32, to: BrokerId) -> Result<(), ChangeError> {
        let alive = self.is_alive(to);
        let Some(state) = self.partition_mut(topic, partition) else {
            return refuse(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, format!("there is no {topic}-{partition}"));
        };
        if !alive || !state.replicas.contains(&to) {
            return refuse(
                ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
                format!("broker {to:?} is not a live replica of {topic}-{partition}: {:?}", state.replicas),
            );
        }
        state.isr = vec![to];
        state.elect(Some(to));
        // The others copy from it, as far as they are there.
        let others: Vec<_> = state.replicas.iter().copied().filter(|other| *other != to).collect();
        for other in others {
            if self.is_alive(other)
                && let Some(state) = self.partition_mut(topic, partition)
            {
                state.release_replica(other);
            }
        }
        self.tell(News::LeaderMoved { topic: topic.to_owned(), partition, leader: Some(to) });
        Ok(())
    }

    /// Sets what a broker is doing. A stopped one leads nothing any more; one that comes back catches up.
    pub fn set_broker_state(&mut self, id: BrokerId, state: BrokerState) {
        let Some(broker) = self.brokers.get_mut(&id) else { return };
        let was_alive = broker.is_alive();
        broker.state = state;
        let is_alive = broker.is_alive();
        if was_alive && !is_alive {
            self.retire(id);
        } else if !was_alive && is_alive {
            self.change_leaders(|partition, _| partition.broker_back(id));
        }
        let first = self.alive().next();
        if !self.is_alive(self.controller) {
            self.controller = first.unwrap_or(self.controller);
        }
        self.tell(News::TopicsChanged);
    }

    /// Takes a broker out of all partitions while it goes on running: what the controller does to one that it no longer hears.
    pub fn retire(&mut self, id: BrokerId) {
        let alive: Vec<_> = self.alive().filter(|other| *other != id).collect();
        self.change_leaders(|partition, _| partition.broker_gone(id, |other| alive.contains(&other)));
    }

    fn change_leaders(&mut self, mut change: impl FnMut(&mut Partition, i32)) {
        let mut moved = Vec::new();
        for (name, topic) in &mut self.topics {
            for (number, partition) in (0..).zip(topic.partitions.iter_mut()) {
                let before = (partition.leader, partition.leader_epoch);
                change(partition, number);
                if (partition.leader, partition.leader_epoch) != before {
                    moved.push(News::LeaderMoved {
                        topic: name.clone(),
                        partition: number,
                        leader: partition.leader,
                    });
                }
            }
        }
        moved.into_iter().for_each(|news| self.tell(news));
    }

    fn new_partition(&self, replicas: Vec<BrokerId>) -> Partition {
        let mut partition = Partition::new(replicas.clone());
        for dead in replicas.into_iter().filter(|broker| !self.is_alive(*broker)) {
            partition.broker_gone(dead, |other| self.is_alive(other));
        }
        partition
    }

    fn alive(&self) -> impl Iterator<Item = BrokerId> {
        self.brokers.iter().filter(|(_, broker)| broker.is_alive()).map(|(id, _)| *id)
    }

    /// Replicas of partitions `from..from + count`, round robin, so that leaders are spread and a test can foresee them.
    fn spread(&self, alive: &[BrokerId], from: i32, count: i32, factor: usize) -> Vec<Vec<BrokerId>> {
        let replicas = (from..from + count).map(|partition| {
            (0..factor).map(|replica| alive[(partition as usize + replica) % alive.len()]).collect()
        });
        replicas.collect()
    }
}

/// Java: `Topic.validate`.
fn check_name(name: &str) -> Result<(), ChangeError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let why = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{name}' is not allowed"),
        _ if name.len() > 249 => "the length of name is longer than the max allowed length 249".to_owned(),
        _ if !name.chars().all(legal) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ),
        _ => return Ok(()),
    };
    refuse(ErrorCode::INVALID_TOPIC_EXCEPTION, format!("Topic name is invalid: {why}"))
}

fn is_setting(name: &str) -> bool {
    TOPIC_SETTINGS.iter().any(|setting| setting.name == name)
}
