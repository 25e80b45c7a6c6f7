//! The load of the latency scenario: `latency-load BOOTSTRAP TOPIC RATE COUNT` produces so many messages a second, one by one,
//! each of 100 bytes that begin with the microsecond in which it was handed to the producer.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use client::config::{Acks, ClientConfig, ProducerConfig};
use client::{Client, Producer, ProducerRecord};
use tokio::runtime::Builder;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [bootstrap, topic, rate, count] = &args[..] else {
        return Err("usage: latency-load BOOTSTRAP TOPIC RATE COUNT".into());
    };
    let (rate, count): (u32, u32) = (rate.parse()?, count.parse()?);
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let producer = runtime.block_on(async {
        let client = Client::connect(ClientConfig::bootstrap(bootstrap)?.build()?).await?;
        let config = ProducerConfig::builder(client.config().clone())
            .linger(Duration::ZERO)
            .idempotence(false)
            .acks(Acks::Leader)
            .build()?;
        Ok::<_, Box<dyn Error>>(Producer::new(&client, &config))
    })?;
    let begin = Instant::now();
    // This thread keeps the time: Tokio's timers have steps of a millisecond.
    for number in 0..count {
        let due = begin + Duration::from_secs(1) * number / rate;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let mut value = vec![b'.'; 100];
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64;
        value[..8].copy_from_slice(&now.to_be_bytes());
        let record = ProducerRecord::new(topic.as_str()).partition(0).value(value);
        // Whether it was written, its reader tells.
        drop(runtime.block_on(producer.enqueue(record))?);
    }
    runtime.block_on(producer.flush());
    Ok(())
}
