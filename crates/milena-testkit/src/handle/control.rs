//! What a test does to brokers, leaders and topics.

use std::io;

use kafka_protocol::messages::BrokerId;
use tokio::io::DuplexStream;
use uuid::Uuid;

use super::Cluster;
use crate::cluster::{BrokerState, ChangeError, ClusterState, NewTopic, OFFSETS_TOPIC, TXN_TOPIC};
use crate::face;

impl Cluster {
    /// A new connection to a broker, in memory: the client's end. Works for a cluster with sockets as well.
    ///
    /// # Errors
    /// `ConnectionRefused` if the broker is stopped.
    pub fn connect(&self, broker: impl Into<BrokerId>) -> io::Result<DuplexStream> {
        face::memory::connect(&self.running.shared, broker.into())
    }

    /// As [`connect`](Self::connect), by the address that Metadata tells.
    ///
    /// # Errors
    /// `ConnectionRefused` if the broker is stopped or unknown.
    pub fn connect_to(&self, host: &str, port: u16) -> io::Result<DuplexStream> {
        let broker = self.with_core(|core, _| {
            let mut brokers = core.world().cluster.brokers();
            brokers.find(|(_, broker)| broker.host == host && broker.port == port).map(|(id, _)| id)
        });
        self.connect(broker.ok_or(io::ErrorKind::ConnectionRefused)?)
    }

    /// Stops a broker: its connections close, new ones are refused, other replicas in sync lead its partitions at once.
    ///
    /// # Cancel safety
    /// The broker is stopped in any case; only the wait for its socket to close is cut short.
    pub async fn stop_broker(&self, broker: impl Into<BrokerId>) {
        let broker = broker.into();
        self.with_core(|core, now| core.set_broker_state(now, broker, BrokerState::Stopped));
        if let Some(tcp) = &self.running.tcp {
            tcp.refuse(broker).await;
        }
    }

    /// Starts a stopped broker again, on the port it had. It catches up and is in sync again.
    ///
    /// # Errors
    /// If somebody has taken the port.
    ///
    /// # Cancel safety
    /// The broker may or may not be started; calling it again is safe.
    pub async fn start_broker(&self, broker: impl Into<BrokerId>) -> io::Result<()> {
        let broker = broker.into();
        if let Some(tcp) = &self.running.tcp {
            tcp.listen(&self.running.shared, broker).await?;
        }
        self.with_core(|core, now| core.set_broker_state(now, broker, BrokerState::Running));
        Ok(())
    }

    /// Pauses a broker, as `SIGSTOP` does: its connections stay open, nothing is answered, and it still leads its partitions.
    pub fn pause_broker(&self, broker: impl Into<BrokerId>) {
        let broker = broker.into();
        self.with_core(|core, now| core.set_broker_state(now, broker, BrokerState::Paused));
    }

    /// Lets a paused broker go on where it was.
    pub fn resume_broker(&self, broker: impl Into<BrokerId>) {
        let broker = broker.into();
        self.with_core(|core, now| core.set_broker_state(now, broker, BrokerState::Running));
    }

    /// Gives the partitions of a broker that is running or paused to others: what the controller does when it has not heard of
    /// it for `broker.session.timeout.ms`.
    pub fn retire_broker(&self, broker: impl Into<BrokerId>) {
        let broker = broker.into();
        self.change(|cluster| cluster.retire(broker));
    }

    /// Closes all connections to a broker.
    pub fn close_connections(&self, broker: impl Into<BrokerId>) {
        let broker = broker.into();
        self.with_core(|core, _| core.close_connections(broker));
    }

    /// Makes a replica in sync the leader of a partition, in a new epoch.
    ///
    /// # Errors
    /// If it is none.
    pub fn move_leader(
        &self,
        topic: &str,
        partition: i32,
        to: impl Into<BrokerId>,
    ) -> Result<(), ChangeError> {
        let to = to.into();
        self.change(|cluster| cluster.move_leader(topic, partition, to))
    }

    /// Makes another broker a group's coordinator. Its groups are loaded from the log: members, epochs and offsets survive.
    ///
    /// # Errors
    /// If it has no replica of the group's partition of `__consumer_offsets`.
    pub fn move_coordinator(&self, group: &str, to: impl Into<BrokerId>) -> Result<(), ChangeError> {
        let to = to.into();
        self.change(|cluster| {
            cluster.ensure_internal_topic(OFFSETS_TOPIC);
            let partition = cluster.offsets_partition(group);
            cluster.move_leader(OFFSETS_TOPIC, partition, to)
        })
    }

    /// Makes another broker the coordinator of a transactional id.
    ///
    /// # Errors
    /// If it has no replica of its partition of `__transaction_state`.
    pub fn move_txn_coordinator(
        &self,
        transactional_id: &str,
        to: impl Into<BrokerId>,
    ) -> Result<(), ChangeError> {
        let to = to.into();
        self.change(|cluster| {
            cluster.ensure_internal_topic(TXN_TOPIC);
            let partition = cluster.txn_partition(transactional_id);
            cluster.move_leader(TXN_TOPIC, partition, to)
        })
    }

    /// The broker that coordinates a group, if there is one.
    pub fn coordinator(&self, group: &str) -> Option<BrokerId> {
        self.change(|cluster| {
            cluster.ensure_internal_topic(OFFSETS_TOPIC);
            cluster.group_coordinator(group)
        })
    }

    /// Lets a replica copy nothing from here on, and takes it out of those in sync.
    pub fn hold_replica(&self, topic: &str, partition: i32, broker: impl Into<BrokerId>) {
        self.hold(topic, partition, broker.into(), true);
    }

    /// Lets a replica copy nothing from here on, while it counts as in sync: the high watermark stands still.
    pub fn hold_replica_in_sync(&self, topic: &str, partition: i32, broker: impl Into<BrokerId>) {
        self.hold(topic, partition, broker.into(), false);
    }

    fn hold(&self, topic: &str, partition: i32, broker: BrokerId, leave_isr: bool) {
        self.change(|cluster| {
            if let Some(state) = cluster.partition_mut(topic, partition) {
                state.hold_replica(broker, leave_isr);
            }
            cluster.touch(topic, partition);
        });
    }

    /// Lets a replica catch up.
    pub fn release_replica(&self, topic: &str, partition: i32, broker: impl Into<BrokerId>) {
        let broker = broker.into();
        self.change(|cluster| {
            if let Some(state) = cluster.partition_mut(topic, partition) {
                state.release_replica(broker);
            }
            cluster.touch(topic, partition);
        });
    }

    /// Makes a live replica the leader although it is not in sync. What it lacks is lost to everybody.
    ///
    /// # Errors
    /// If it is no live replica.
    pub fn elect_unclean(
        &self,
        topic: &str,
        partition: i32,
        to: impl Into<BrokerId>,
    ) -> Result<(), ChangeError> {
        let to = to.into();
        self.change(|cluster| cluster.elect_unclean(topic, partition, to))
    }

    /// Creates a topic; its id.
    ///
    /// # Errors
    /// As the controller refuses it.
    pub fn create_topic(&self, topic: &NewTopic) -> Result<Uuid, ChangeError> {
        self.change(|cluster| cluster.create_topic(topic))
    }

    /// Deletes a topic, and its committed offsets.
    ///
    /// # Errors
    /// If there is none.
    pub fn delete_topic(&self, name: &str) -> Result<(), ChangeError> {
        self.change(|cluster| cluster.delete_topic(name)).map(drop)
    }

    /// Deletes a topic and creates it again, empty, with as many partitions and the same settings; its new id.
    ///
    /// # Errors
    /// If there is none.
    pub fn recreate_topic(&self, name: &str) -> Result<Uuid, ChangeError> {
        let old = self.change(|cluster| {
            let topic = cluster.topic(name)?;
            let assignments = (0..).zip(&topic.partitions).map(|(number, p)| (number, p.replicas.clone()));
            let (name, config) = (name.to_owned(), topic.config.clone());
            Some(NewTopic { name, config, assignments: assignments.collect(), ..NewTopic::default() })
        });
        self.delete_topic(name)?;
        self.create_topic(&old.unwrap_or_default())
    }

    /// Gives a topic more partitions, `count` in all.
    ///
    /// # Errors
    /// If that would not be more, or there is no such topic.
    pub fn add_partitions(&self, name: &str, count: i32) -> Result<(), ChangeError> {
        self.change(|cluster| cluster.create_partitions(name, count, None, false))
    }

    /// Changes brokers, topics and partitions in any way.
    pub fn change<T>(&self, change: impl FnOnce(&mut ClusterState) -> T) -> T {
        self.with_core(|core, now| core.change(now, |world| change(&mut world.cluster)))
    }
}
