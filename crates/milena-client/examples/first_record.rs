//! How long it takes from the start of a process to its first record.
//!
//! ```console
//! cargo run --release -p milena-client --example first_record -- 0 localhost:9092 orders            # partition 0 alone
//! cargo run --release -p milena-client --example first_record -- 0 localhost:9092 orders billing    # a new group each time
//! cargo run --release -p milena-client --example first_record -- 10 localhost:9092 orders billing   # 10 ms away
//! ```
//!
//! Each run is a process of its own. The clock starts before it is started and stops when it has said that it has a record. The
//! first argument is the time that a round trip takes, in milliseconds, on top of what it takes anyway.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use milena_client::config::{ClientConfig, FetchConfig, GroupConfig};
use milena_client::consumer::{Consumer, Subscription};
use milena_client::{Client, Connect, Connecting, Io, Reset, Result, Start, Tcp, TopicPartition};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const RUNS: usize = 21;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["--once", ms, bootstrap, topic, ref group @ ..] => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            let away = Duration::from_millis(ms.parse().expect("milliseconds"));
            let read = read(away, bootstrap, topic, group.first().copied());
            runtime.expect("a runtime").block_on(read).expect("a record");
        }
        [ms, bootstrap, topic, ref group @ ..] => measure(ms, bootstrap, topic, group.first().copied()),
        _ => eprintln!("usage: first_record MILLISECONDS BOOTSTRAP TOPIC [GROUP]"),
    }
}

async fn read(away: Duration, bootstrap: &str, topic: &str, group: Option<&str>) -> Result<()> {
    let config = ClientConfig::bootstrap(bootstrap)?.build()?;
    let client = match away.is_zero() {
        true => Client::connect(config).await?,
        false => Client::connect_over(config, Arc::new(Away(away))).await?,
    };
    let fetch = FetchConfig::builder().build()?;
    let subscription = match group {
        Some(_) => Subscription::to([topic]),
        None => Subscription::Partitions(vec![(TopicPartition::new(topic, 0), Start::Earliest)]),
    };
    let group = group.map(|group| GroupConfig::builder(group).build()).transpose()?;
    let mut consumer =
        Consumer::start(&client, &fetch, group.as_ref(), subscription, Reset::Earliest).await?;
    let batch = consumer.next().await.expect("the log is not empty")?;
    println!("{} records", batch.records().count());
    // Nobody measures how it ends.
    std::process::exit(0);
}

fn measure(ms: &str, bootstrap: &str, topic: &str, group: Option<&str>) {
    let program = std::env::current_exe().expect("a program");
    let mut took: Vec<Duration> = Vec::new();
    for run in 0..RUNS {
        let mut command = Command::new(&program);
        command.args(["--once", ms, bootstrap, topic]).stdout(Stdio::piped());
        command.args(group.map(|group| format!("{group}-{}-{run}", std::process::id())));
        let start = Instant::now();
        let mut child = command.spawn().expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was asked for a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("it speaks");
        took.push(start.elapsed());
        assert!(child.wait().expect("it ends").success() && line.contains("records"), "{line:?}");
    }
    took.sort_unstable();
    let (least, median, most) = (took[0], took[RUNS / 2], took[RUNS - 1]);
    println!("first record after {median:.1?} (median of {RUNS}; {least:.1?} to {most:.1?})");
}

/// A cluster that is far away: connecting, and each exchange, takes so long.
#[derive(Debug)]
struct Away(Duration);

impl Connect for Away {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Connecting<'a> {
        Box::pin(async move {
            let tcp = Tcp { timeout: Duration::from_secs(10), ..Tcp::default() };
            let there = tcp.connect(host, port).await?;
            tokio::time::sleep(self.0).await;
            let (here, far) = tokio::io::duplex(1 << 20);
            let (there_in, there_out) = tokio::io::split(there);
            let (far_in, far_out) = tokio::io::split(far);
            tokio::spawn(carry(far_in, there_out, self.0 / 2));
            tokio::spawn(carry(there_in, far_out, self.0 / 2));
            Ok(Box::new(here) as Box<dyn Io>)
        })
    }
}

async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, takes: Duration) {
    let mut bytes = vec![0; 1 << 20];
    while let Ok(len @ 1..) = from.read(&mut bytes).await {
        tokio::time::sleep(takes).await;
        if to.write_all(&bytes[..len]).await.is_err() {
            return;
        }
    }
}
