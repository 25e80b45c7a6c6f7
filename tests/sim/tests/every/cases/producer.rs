//! Writing.

use std::time::Duration;

use client::config::ProducerConfig;
use client::{Client, Delivery, Producer, ProducerRecord};
use source::config::Assignor;
use tokio::time::timeout;

use super::{SOON, connected, told, whole};
use crate::polls::{Case, dropped_at};
use crate::stage::{Stage, TOPIC};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case { functions: &["Producer::enqueue"], play: |moment| Box::pin(enqueue(moment)) },
        Case { functions: &["Producer::send"], play: |moment| Box::pin(send(moment)) },
        Case { functions: &["Producer::flush"], play: |moment| Box::pin(flush(moment)) },
        Case { functions: &["Producer::close"], play: |moment| Box::pin(close(moment)) },
        Case { functions: &["Delivery: Future"], play: |moment| Box::pin(delivery(moment)) },
    ]
}

fn record(value: &'static str) -> ProducerRecord {
    ProducerRecord::new(TOPIC).partition(0).value(value).timestamp(1_767_225_600_000)
}

/// What is in the partition beside what was there before.
fn written(stage: &Stage) -> Vec<String> {
    let records = stage.cluster.records(TOPIC, 0);
    let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    records.iter().skip(10).map(|record| text(record.value())).collect()
}

async fn opened() -> Result<(Stage, Client, Producer), String> {
    let stage = Stage::new(Assignor::Range);
    let client = connected(&stage).await?;
    let config = ProducerConfig::builder(client.config().clone()).linger(Duration::from_millis(5)).build();
    let producer = Producer::new(&client, &config.map_err(|error| error.to_string())?);
    Ok((stage, client, producer))
}

async fn delivered(deliveries: impl IntoIterator<Item = Delivery>) -> Result<(), String> {
    for delivery in deliveries {
        whole("a delivery", delivery).await?;
    }
    Ok(())
}

fn expect(stage: &Stage, expected: &[&str]) -> Result<(), String> {
    let written = written(stage);
    if written == expected { Ok(()) } else { Err(format!("{written:?} is written, and not {expected:?}")) }
}

/// A record whose hand-over was dropped was not taken.
async fn enqueue(moment: usize) -> Result<bool, String> {
    let (stage, _client, producer) = opened().await?;
    let dropped = dropped_at(moment, producer.enqueue(record("one"))).await;
    let done = dropped.is_some();
    let two = whole("enqueueing", producer.enqueue(record("two"))).await?;
    if let Some(one) = dropped {
        delivered([one.map_err(told)?]).await?;
    }
    delivered([two]).await?;
    timeout(SOON, producer.close()).await.map_err(|_| "closing never ends")?;
    expect(&stage, if done { &["one", "two"] } else { &["two"] })?;
    Ok(done)
}

/// A record whose sending was dropped is written or not, once at most and in its place.
async fn send(moment: usize) -> Result<bool, String> {
    let (stage, _client, producer) = opened().await?;
    let done = dropped_at(moment, producer.send(record("one"))).await.is_some();
    whole("sending", producer.send(record("two"))).await?;
    whole("sending", producer.send(record("three"))).await?;
    timeout(SOON, producer.close()).await.map_err(|_| "closing never ends")?;
    match (done, expect(&stage, &["one", "two", "three"])) {
        (_, Ok(())) => Ok(done),
        (true, Err(wrong)) => Err(wrong),
        (false, Err(_)) => expect(&stage, &["two", "three"]).map(|()| done),
    }
}

async fn flush(moment: usize) -> Result<bool, String> {
    let (stage, _client, producer) = opened().await?;
    let one = whole("enqueueing", producer.enqueue(record("one"))).await?;
    let two = whole("enqueueing", producer.enqueue(record("two"))).await?;
    let done = dropped_at(moment, producer.flush()).await.is_some();
    delivered([one, two]).await?;
    whole("sending", producer.send(record("three"))).await?;
    timeout(SOON, producer.flush()).await.map_err(|_| "flushing again never ends")?;
    expect(&stage, &["one", "two", "three"])?;
    Ok(done)
}

async fn close(moment: usize) -> Result<bool, String> {
    let (stage, _client, producer) = opened().await?;
    let one = whole("enqueueing", producer.enqueue(record("one"))).await?;
    let two = whole("enqueueing", producer.enqueue(record("two"))).await?;
    let done = dropped_at(moment, producer.close()).await.is_some();
    delivered([one, two]).await?;
    timeout(SOON, producer.close()).await.map_err(|_| "closing again never ends")?;
    if producer.send(record("three")).await.is_ok() {
        return Err("it takes records after it was closed".to_owned());
    }
    expect(&stage, &["one", "two"])?;
    Ok(done)
}

/// Who drops it takes nothing back.
async fn delivery(moment: usize) -> Result<bool, String> {
    let (stage, _client, producer) = opened().await?;
    let one = whole("enqueueing", producer.enqueue(record("one"))).await?;
    let two = whole("enqueueing", producer.enqueue(record("two"))).await?;
    let done = dropped_at(moment, one).await.is_some();
    delivered([two]).await?;
    expect(&stage, &["one", "two"])?;
    Ok(done)
}
