//! What a cluster can be asked for: topics, leaders, coordinators, offsets.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::cluster::{Kafka, START};
use super::raw;
use crate::error::{Error, Result};

impl Kafka {
    /// Creates a topic and waits until every partition has a leader.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i32,
        replicas: i16,
        configs: &[(&str, &str)],
    ) -> Result<()> {
        self.try_everywhere(|port| raw::create_topic(port, name, partitions, replicas, configs))?;
        for partition in 0..partitions {
            // Metadata may name a leader that has not heard of it yet.
            self.end_offset(name, partition)?;
        }
        self.until(&format!("news of {name} everywhere"), || {
            let known = self.living().into_iter().all(|port| {
                let leaders = raw::metadata(port, Some(name)).map(|metadata| leaders_in(&metadata, name));
                leaders.is_ok_and(|leaders| {
                    leaders.len() == partitions as usize && leaders.iter().all(|(_, leader)| *leader >= 0)
                })
            });
            Ok(known.then_some(()))
        })
    }

    /// Deletes a topic; brokers may still tell of it for a moment.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn delete_topic(&self, name: &str) -> Result<()> {
        self.try_everywhere(|port| raw::delete_topic(port, name))
    }

    /// Sets one property of a topic. Not before Kafka 2.3.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn alter_topic(&self, name: &str, key: &str, value: &str) -> Result<()> {
        self.any(|port| raw::alter_topic(port, name, key, value))
    }

    /// Deletes the records of a partition below an offset, which becomes the log start offset.
    ///
    /// # Errors
    /// The leader refuses, an offset past the high watermark for one.
    pub fn delete_records(&self, topic: &str, partition: i32, before: i64) -> Result<()> {
        let leader = self.leader(topic, partition)?;
        raw::delete_records(self.ports_of(leader).clients, topic, partition, before)
    }

    /// The node that leads a partition, as soon as there is one.
    ///
    /// # Errors
    /// There is none after two minutes.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<i32> {
        self.until(&format!("a leader of {topic}-{partition}"), || {
            let metadata = self.any(|port| raw::metadata(port, Some(topic)))?;
            let leaders = leaders_in(&metadata, topic);
            Ok(leaders
                .into_iter()
                .find(|(index, leader)| *index == partition && *leader >= 0)
                .map(|(_, id)| id))
        })
    }

    /// The offset after a partition's last record, as soon as its leader tells it.
    ///
    /// # Errors
    /// Nobody tells it within two minutes.
    pub fn end_offset(&self, topic: &str, partition: i32) -> Result<i64> {
        self.until(&format!("the end of {topic}-{partition}"), || {
            let leader = self.leader(topic, partition)?;
            // It may be down by now, or not lead any more: ask again.
            Ok(raw::offset(self.ports_of(leader).clients, topic, partition, -1).ok().flatten())
        })
    }

    /// The node that coordinates a group, as soon as there is one.
    ///
    /// # Errors
    /// There is none after two minutes.
    pub fn coordinator(&self, group: &str) -> Result<i32> {
        self.until(&format!("the coordinator of {group}"), || self.any(|port| raw::coordinator(port, group)))
    }

    /// The first good answer of any living node.
    fn any<T>(&self, ask: impl Fn(u16) -> Result<T>) -> Result<T> {
        let mut last = Error::new("all nodes are down");
        for port in self.living() {
            match ask(port) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Asks the controller if it is known: with ZooKeeper, only that one creates topics. KRaft brokers pass it on.
    fn try_everywhere(&self, ask: impl Fn(u16) -> Result<()>) -> Result<()> {
        let controller = self.any(|port| raw::metadata(port, None))?.controller;
        let mut ports = self.living();
        if !self.version().is_kraft() {
            ports.retain(|port| *port == self.ports_of(controller).clients);
        }
        let mut last = Error::new("all nodes are down");
        for port in ports {
            match ask(port) {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Asks again and again until there is an answer.
    fn until<T>(&self, what: &str, ask: impl Fn() -> Result<Option<T>>) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            if start.elapsed() > START {
                return Err(Error::new(format!("no {what} after {} s", START.as_secs())));
            }
            sleep(Duration::from_millis(20));
        }
    }
}

fn leaders_in(metadata: &raw::Metadata, name: &str) -> Vec<(i32, i32)> {
    metadata
        .topics
        .iter()
        .find(|topic| topic.name == name)
        .map(|topic| topic.leaders.clone())
        .unwrap_or_default()
}
