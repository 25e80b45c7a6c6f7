//! The main job, end to end: two members of one group read a topic, acknowledge out of order, rebalance in the middle, and
//! commit only what is true.
//!
//! `cargo run --release -p milena-source --example tour` runs it on a cluster inside the process; with
//! `-- --bootstrap-server HOST:PORT` it runs on yours. `cargo xtask demo` starts a real broker for it, where it can.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use client::config::{ClientConfig, ProducerConfig};
use client::{Client, Event, NewTopic, Producer, ProducerRecord};
use futures_util::StreamExt;
use milena_source::{Ack, Record, Source};
use testkit::Cluster;

const PARTITIONS: i32 = 4;
const LETTERS: u32 = 400;

/// What happened to each partition, over both members.
#[derive(Default)]
struct Tally {
    delivered: u64,
    acknowledged: u64,
    fenced: u64,
    committed: i64,
    readers: Vec<&'static str>,
}

type Tallies = Arc<Mutex<BTreeMap<i32, Tally>>>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (bootstrap, _cluster) = match (args.next().as_deref(), args.next()) {
        (Some("--bootstrap-server"), Some(address)) => (address, None),
        (None, None) => {
            println!("== A cluster of three brokers, inside this process");
            let cluster = Cluster::builder().brokers(3).start().await?;
            (cluster.bootstrap_servers(), Some(cluster))
        }
        _ => return Err("usage: tour [--bootstrap-server HOST:PORT]".into()),
    };
    let topic = format!("letters-{}", SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis());
    let tallies = Tallies::default();

    println!("== A topic of {PARTITIONS} partitions, and {LETTERS} letters in it");
    let client = Client::connect(ClientConfig::bootstrap(&bootstrap)?.build()?).await?;
    client.create_topic(NewTopic::new(&topic).partitions(PARTITIONS)).await?;
    let producer = Producer::new(&client, &ProducerConfig::builder(client.config().clone()).build()?);
    write_letters(&producer, &topic, 0..LETTERS).await?;

    println!("== Ada joins the group alone and reads everything");
    let ada = join("ada", &bootstrap, &topic).await?;
    let mut letters = ada.records();
    // She keeps one letter of each partition back: everything before it may be committed, nothing behind it.
    let mut kept: BTreeMap<i32, Record> = BTreeMap::new();
    for _ in 0..LETTERS {
        let letter = letters.next().await.ok_or("the stream ended")??;
        tally(&tallies, "ada", &letter, |tally| tally.delivered += 1);
        let number = letter.partition().partition;
        if letter.offset() == 50 && !kept.contains_key(&number) {
            kept.insert(number, letter);
            continue;
        }
        // Any order, any task, any delay.
        let tallies = tallies.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(u64::from(letter.offset() as u32 * 7 % 40))).await;
            acknowledge(&tallies, "ada", &letter);
        });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    ada.commit().await?;
    println!("   she kept back offset 50 of each partition, so this is what may be committed:");
    for status in ada.status() {
        println!(
            "   {} committed {:?} of {:?} delivered",
            status.partition, status.committed, status.position
        );
    }

    println!("== Bob joins: the group rebalances, and Ada gives partitions up");
    let bob = join("bob", &bootstrap, &topic).await?;
    let ada_reads = tokio::spawn(read_on("ada", letters, tallies.clone()));
    let bob_reads = tokio::spawn(read_on("bob", bob.records(), tallies.clone()));
    // Nobody waits for ever for what is kept back: the drain ends, the rest is committed, the partitions move.
    while bob.status().is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;

    println!("== Now Ada acknowledges what she kept back, too late");
    for (number, letter) in &kept {
        let ack = acknowledge(&tallies, "ada", letter);
        println!("   {topic}-{number} offset 50: {ack:?}");
    }

    println!("== More letters, and a clean end");
    write_letters(&producer, &topic, LETTERS..LETTERS + 100).await?;
    let ends = client.list_offsets(
        client.partitions_of([topic.as_str().into()]).await?,
        client::OffsetSpec::Latest,
        client::IsolationLevel::ReadUncommitted,
    );
    let ends = ends.await?;
    loop {
        let positions: Vec<_> = ada.status().into_iter().chain(bob.status()).collect();
        if positions.len() == ends.len()
            && positions.iter().all(|status| status.position == Some(ends[&status.partition]))
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ada.drain(Duration::from_secs(10)).await?;
    bob.drain(Duration::from_secs(10)).await?;
    ada_reads.await?;
    bob_reads.await?;

    let committed = client.group_offsets(&topic).await?;
    for (partition, offset) in &committed {
        tallies.lock().unwrap().entry(partition.partition).or_default().committed = offset.offset;
    }
    println!();
    println!("partition  delivered  acknowledged  fenced  committed  end  readers");
    for (number, tally) in tallies.lock().unwrap().iter() {
        let end = ends.iter().find(|(tp, _)| tp.partition == *number).map_or(-1, |(_, end)| *end);
        println!(
            "{number:>9}  {:>9}  {:>12}  {:>6}  {:>9}  {end:>3}  {}",
            tally.delivered,
            tally.acknowledged,
            tally.fenced,
            tally.committed,
            tally.readers.join(", "),
        );
    }
    println!();
    println!(
        "Every partition is committed to its end, and no commit ever went back. In the partitions that moved, what stood"
    );
    println!(
        "behind the letter that was kept back could not be committed: Bob read it again, from the letter on."
    );
    println!("Delivered = acknowledged + fenced.");
    Ok(())
}

async fn join(name: &'static str, bootstrap: &str, topic: &str) -> client::Result<Source> {
    let source = Source::builder(bootstrap)
        .group(topic)
        .topics([topic])
        .start(client::Start::Earliest)
        .property("client.id", name)
        .property("heartbeat.interval.ms", 500)
        .property("session.timeout.ms", 6000)
        .property("milena.drain.timeout.ms", 1000)
        .property("partition.assignment.strategy", "cooperative-sticky")
        .build()
        .await?;
    let mut events = source.events();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                // One for each partition and second: the table at the end says it.
                Event::Committed { .. } | Event::Moved { .. } => {}
                event => println!("   [{name}] {event}"),
            }
        }
    });
    Ok(source)
}

async fn read_on(name: &'static str, mut letters: milena_source::RecordStream, tallies: Tallies) {
    while let Some(letter) = letters.next().await {
        match letter {
            Ok(letter) => {
                tally(&tallies, name, &letter, |tally| tally.delivered += 1);
                acknowledge(&tallies, name, &letter);
            }
            Err(error) => println!("   [{name}] {error}"),
        }
    }
}

fn acknowledge(tallies: &Tallies, name: &'static str, letter: &Record) -> Ack {
    let ack = letter.ack();
    tally(tallies, name, letter, |tally| match ack {
        Ack::Accepted => tally.acknowledged += 1,
        Ack::Fenced { .. } => tally.fenced += 1,
        Ack::Duplicate => {}
    });
    ack
}

fn tally(tallies: &Tallies, name: &'static str, letter: &Record, count: impl FnOnce(&mut Tally)) {
    let mut tallies = tallies.lock().unwrap();
    let tally = tallies.entry(letter.partition().partition).or_default();
    if !tally.readers.contains(&name) {
        tally.readers.push(name);
    }
    count(tally);
}

async fn write_letters(
    producer: &Producer,
    topic: &str,
    numbers: std::ops::Range<u32>,
) -> client::Result<()> {
    let mut sent = Vec::new();
    for number in numbers {
        let record = ProducerRecord::new(topic)
            .partition((number % PARTITIONS as u32) as i32)
            .key(format!("letter {number}").into_bytes())
            .value(format!("Dear Milena, this is letter {number}.").into_bytes());
        sent.push(producer.send(record));
    }
    for delivery in sent {
        delivery.await?;
    }
    Ok(())
}
