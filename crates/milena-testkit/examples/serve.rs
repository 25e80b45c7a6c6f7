//! A cluster for programs that are not tests: prints its addresses, serves until standard input ends.
//!
//! Arguments: number of brokers, then topics as `name:partitions`.

use std::io::Read;

use milena_testkit::Cluster;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let brokers = arguments.next().map_or(Ok(1), |count| count.parse())?;
    let mut builder = Cluster::builder().brokers(brokers);
    for topic in arguments {
        let (name, partitions) = topic.split_once(':').unwrap_or((&topic, "1"));
        builder = builder.topic(name, partitions.parse()?);
    }
    let cluster = builder.start().await?;
    println!("{}", cluster.bootstrap_servers());
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await?;
    eprintln!("{} requests", cluster.requests().count());
    if std::env::var_os("SERVE_LOG").is_some() {
        eprint!("{}", cluster.requests());
        cluster.with_core(|core, _| {
            for frame in core.history().unreadable() {
                eprintln!("unreadable: {frame:?}");
            }
        });
    }
    end?;
    Ok(())
}
