//! The cases: what is dropped, and what goes on.

mod admin;
mod consumer;
mod producer;
mod source;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use client::config::{ClientConfig, FetchConfig, GroupConfig};
use client::consumer::{Consumer, Subscription};
use client::{Client, Reset};
use milena_sim::member::GROUP;
use milena_sim::timeline::{Name, What};
use tokio::time::timeout;

use crate::polls::Case;
use crate::stage::{Program, Stage, TOPIC};

pub(crate) fn all() -> Vec<Case> {
    [admin::cases(), consumer::cases(), producer::cases(), source::cases()].into_iter().flatten().collect()
}

/// Its name, in requests and in what is written down.
const NAME: &str = "a";

/// Every call is over within that, once nobody drops it.
const SOON: Duration = Duration::from_secs(30);

fn told(error: client::Error) -> String {
    error.to_string()
}

/// What a call comes to that is not dropped.
async fn whole<T>(what: &str, call: impl Future<Output = client::Result<T>>) -> Result<T, String> {
    let within = timeout(SOON, call).await.map_err(|_| format!("{what} is not over after {SOON:?}"))?;
    within.map_err(|error| format!("{what}: {error}"))
}

fn client_config(stage: &Stage) -> ClientConfig {
    let config = ClientConfig::bootstrap(&stage.cluster.bootstrap_servers());
    let config =
        config.map(|config| config.client_id(NAME).seed(7).request_timeout(Duration::from_millis(1500)));
    config.and_then(|config| config.build()).expect("it is a config")
}

async fn connected(stage: &Stage) -> Result<Client, String> {
    whole("connecting", Client::connect_over(client_config(stage), Arc::new(stage.cluster.clone()))).await
}

fn fetch_config() -> FetchConfig {
    FetchConfig::builder().decode_threads(0).build().expect("it is a config")
}

fn group_config(commit_interval: Duration) -> GroupConfig {
    let group = GroupConfig::builder(GROUP)
        .session_timeout(Duration::from_secs(6))
        .heartbeat_interval(Duration::from_millis(500))
        .rebalance_timeout(Duration::from_secs(6))
        .drain_timeout(Duration::from_secs(2))
        .commit_interval(commit_interval);
    group.build().expect("it is a config")
}

fn subscription() -> Subscription {
    Subscription::to([TOPIC])
}

/// A consumer that commits only when it is told to, or closed.
async fn started(client: &Client) -> Result<Consumer, String> {
    let (fetch, group) = (fetch_config(), group_config(NEVER));
    whole("starting", Consumer::start(client, &fetch, Some(&group), subscription(), Reset::Earliest)).await
}

/// Longer than any piece lasts.
const NEVER: Duration = Duration::from_secs(3600);

/// What a consumer handed out, to be acknowledged the last one first.
struct Taken {
    stage: Stage,
    name: Name,
    serial: u64,
    held: Vec<(u64, client::consumer::FetchedBatch, i64)>,
    seen: BTreeSet<(i32, i64)>,
}

impl Taken {
    fn new(stage: &Stage) -> Self {
        let name = Name::from(NAME);
        Self { stage: stage.clone(), name, serial: 0, held: Vec::new(), seen: BTreeSet::new() }
    }

    fn take(&mut self, batch: &client::consumer::FetchedBatch) {
        for record in batch.records() {
            // The testkit's records can be read.
            let Ok(record) = record else { continue };
            self.serial += 1;
            let (client, serial) = (self.name.clone(), self.serial);
            let (at, offset) = (batch.partition().clone(), record.offset());
            self.seen.insert((at.partition, offset));
            let value = record.value().unwrap_or_default().to_vec();
            self.stage.timeline.push(What::Delivered { client, serial, at, offset, value });
            self.held.push((serial, batch.clone(), offset));
        }
    }

    fn acknowledge(&mut self) {
        while let Some((serial, batch, offset)) = self.held.pop() {
            self.stage.timeline.push(What::Acked { client: self.name.clone(), serial });
            let _ = batch.acks().ack(offset);
            batch.lease().acknowledged();
        }
    }

    /// Reads until so many different records have been seen.
    async fn read_to(&mut self, consumer: &mut Consumer, records: usize) -> Result<(), String> {
        while self.seen.len() < records {
            let next = timeout(SOON, consumer.next()).await;
            let next = next.map_err(|_| format!("only {} of {records} came in {SOON:?}", self.seen.len()))?;
            let batch = next.ok_or("the consumer has ended")?.map_err(told)?;
            self.take(&batch);
        }
        Ok(())
    }
}

/// Writes down what a consumer says.
fn listen(stage: &Stage, consumer: &Consumer) {
    let (mut events, timeline) = (consumer.control().events(), stage.timeline.clone());
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            timeline.push(What::Told { client: NAME.into(), event: Box::new(event) });
        }
    });
}

/// All that is in the topic.
const ALL: usize = 20;

/// A client goes on: it reads what nobody has committed, commits it, and leaves; and nothing is wrong with all that happened.
async fn client_goes_on(stage: &Stage, client: &Client) -> Result<(), String> {
    client_reads_on(stage, client).await?;
    judged(stage).await
}

async fn client_reads_on(stage: &Stage, client: &Client) -> Result<(), String> {
    let mut consumer = started(client).await?;
    listen(stage, &consumer);
    let left = ALL - usize::try_from(stage.committed().iter().sum::<i64>()).unwrap_or(0);
    let mut taken = Taken::new(stage);
    // Serials of this client must not come twice.
    taken.serial = 1000;
    taken.read_to(&mut consumer, left).await?;
    taken.acknowledge();
    whole("committing", consumer.control().commit()).await?;
    consumer.control().close(Duration::from_secs(1)).await;
    stage.all_is_committed().await
}

/// Somebody else goes on where this one stopped, and nothing is wrong with all that happened.
async fn another_goes_on(stage: &Stage) -> Result<(), String> {
    let program = Program::start(stage, "z", Arc::new(stage.cluster.clone()));
    stage.all_is_committed().await?;
    program.leave();
    stage.until("the other one has left", || program.is_over()).await?;
    judged(stage).await
}

async fn judged(stage: &Stage) -> Result<(), String> {
    stage.all_is_committed().await?;
    let wrong = stage.judge();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}
