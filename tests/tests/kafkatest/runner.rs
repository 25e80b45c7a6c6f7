//! Runs scenarios, cluster by cluster.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use milena_tests::fixture::kafka::{self, Kafka};
use milena_tests::fixture::verifiable::{Outcome, Subject};

use crate::options::Options;
use crate::world::{Shape, World};

/// One scenario with its parameters.
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) run: Run,
}

/// What a scenario does.
pub(crate) type Run = Box<dyn for<'a> Fn(&'a World) -> BoxFuture<'a, Outcome>>;

impl Scenario {
    pub(crate) fn new(
        name: impl Into<String>,
        shape: Shape,
        run: impl for<'a> Fn(&'a World) -> BoxFuture<'a, Outcome> + 'static,
    ) -> Scenario {
        Scenario { name: name.into(), shape, run: Box::new(run) }
    }
}

/// Runs what is wanted.
pub(crate) fn run(options: &Options, scenarios: Vec<Scenario>) -> ExitCode {
    let mut wanted: Vec<Scenario> =
        scenarios.into_iter().filter(|scenario| options.wants(&scenario.name)).collect();
    if options.list {
        wanted.iter().for_each(|scenario| println!("{}: test", scenario.name));
        return ExitCode::SUCCESS;
    }
    if wanted.is_empty() {
        return ExitCode::SUCCESS;
    }
    if let Some(missing) = kafka_missing() {
        eprintln!("kafkatest: {missing}");
        return ExitCode::FAILURE;
    }
    // One start of each shape, in the order in which they first come.
    let mut shapes: Vec<Shape> = Vec::new();
    for scenario in &wanted {
        if !shapes.contains(&scenario.shape) {
            shapes.push(scenario.shape);
        }
    }
    wanted.sort_by_key(|scenario| shapes.iter().position(|shape| *shape == scenario.shape));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime starts").block_on(Runner::new(options).run(&wanted))
}

fn kafka_missing() -> Option<String> {
    kafka::missing()
}

struct Runner<'a> {
    options: &'a Options,
    directory: PathBuf,
    cluster: Option<(Shape, Arc<Kafka>)>,
    number: u32,
    /// Passed, failed, seconds.
    results: BTreeMap<String, (u32, u32, Duration)>,
}

impl<'a> Runner<'a> {
    fn new(options: &'a Options) -> Runner<'a> {
        let directory = std::env::temp_dir().join(format!("milena-kafkatest-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory for logs");
        Runner { options, directory, cluster: None, number: 0, results: BTreeMap::new() }
    }

    async fn run(mut self, scenarios: &[Scenario]) -> ExitCode {
        let began = Instant::now();
        'all: for time in 1..=self.options.times {
            for scenario in scenarios {
                let passed = self.one(scenario, time).await;
                if !passed && self.options.stop {
                    break 'all;
                }
            }
        }
        self.end_cluster().await;
        let failed: Vec<_> = self.results.iter().filter(|(_, (_, failed, _))| *failed > 0).collect();
        println!(
            "\n{} with {}: {} scenarios, {} runs, {} failures, {:.0} s",
            if failed.is_empty() { "passed" } else { "FAILED" },
            if self.options.java { "Java's clients" } else { "Milena" },
            self.results.len(),
            self.results.values().map(|(passed, failed, _)| passed + failed).sum::<u32>(),
            self.results.values().map(|(_, failed, _)| failed).sum::<u32>(),
            began.elapsed().as_secs_f32(),
        );
        for (name, (passed, failed, _)) in &failed {
            println!("  {name}: {failed} of {}", passed + failed);
        }
        if failed.is_empty() {
            let _ = std::fs::remove_dir_all(&self.directory);
            return ExitCode::SUCCESS;
        }
        println!("logs of clients: {}", self.directory.display());
        ExitCode::FAILURE
    }

    async fn one(&mut self, scenario: &Scenario, time: u32) -> bool {
        let began = Instant::now();
        let outcome = match self.world(scenario).await {
            Ok(world) => {
                let outcome = (scenario.run)(&world).await;
                self.tidy(&world, outcome.is_ok()).await;
                outcome
            }
            Err(error) => Err(error),
        };
        let took = began.elapsed();
        let counts = self.results.entry(scenario.name.clone()).or_default();
        let word = match &outcome {
            Ok(()) => {
                counts.0 += 1;
                "ok"
            }
            Err(_) => {
                counts.1 += 1;
                "FAILED"
            }
        };
        counts.2 += took;
        let again = if self.options.times > 1 { format!(" ({time})") } else { String::new() };
        println!("{:6.1} s  {}{again} {word}", took.as_secs_f32(), scenario.name);
        if let Err(error) = &outcome {
            println!("{error}\n");
        }
        outcome.is_ok()
    }

    async fn world(&mut self, scenario: &Scenario) -> Outcome<World> {
        if self.cluster.as_ref().is_some_and(|(shape, _)| *shape != scenario.shape) {
            self.end_cluster().await;
        }
        if self.cluster.is_none() {
            let kafka = milena_tests::fixture::start(scenario.shape.options()).await;
            self.cluster = Some((scenario.shape, Arc::new(kafka.map_err(|error| error.to_string())?)));
        }
        let Some((_, kafka)) = &self.cluster else { return Err("no cluster".to_owned()) };
        self.number += 1;
        let subject = if self.options.java { Subject::java(kafka) } else { Subject::milena().await };
        Ok(World {
            kafka: kafka.clone(),
            subject,
            topic: format!("topic-{}", self.number),
            group: format!("group-{}", self.number),
            directory: self.directory.clone(),
            bounces: self.options.bounces,
        })
    }

    /// Brokers that are down come up again; after a failure, all are new.
    async fn tidy(&mut self, world: &World, passed: bool) {
        let up = world.broker(|kafka| {
            for node in kafka.nodes() {
                match kafka.pid(node) {
                    Some(_) => kafka.resume(node)?,
                    None => kafka.restart(node)?,
                }
            }
            Ok(())
        });
        if up.await.is_err() || !passed {
            self.cluster = None;
        }
    }

    async fn end_cluster(&mut self) {
        if let Some((_, kafka)) = self.cluster.take() {
            // Dropping it blocks.
            let _ = tokio::task::spawn_blocking(move || drop(kafka)).await;
        }
    }
}
