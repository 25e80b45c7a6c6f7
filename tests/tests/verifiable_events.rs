//! The verifiable clients say what Java's say in the same session: the same events in the same order, with the same fields of
//! the same types in the same order.

use std::process::Stdio;
use std::time::Duration;

use milena_tests::fixture::kafka::{Kafka, Options, java};
use milena_tests::fixture::{cli, start};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// Longest wait for a client: against hanging.
const LIMIT: Duration = Duration::from_secs(120);

/// A tool of Java's, or Milena's in its place.
async fn tool(kafka: &Kafka, of_java: bool, consumer: bool) -> Command {
    let (verb, class) = match consumer {
        true => ("verifiable-consumer", "VerifiableConsumer"),
        false => ("verifiable-producer", "VerifiableProducer"),
    };
    let mut command = if of_java {
        let mut command = Command::new(java());
        command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(kafka.libs().join("*"));
        command.arg(format!("org.apache.kafka.tools.{class}"));
        command
    } else {
        let mut command = Command::new(cli::program().await);
        command.arg(verb);
        command
    };
    command.args(["--bootstrap-server", &kafka.bootstrap()]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it to its end, which SIGTERM brings once an event of this name has come so often.
async fn events(mut command: Command, arguments: &str, until: Option<(&str, usize)>) -> Vec<Value> {
    let mut child = command.args(arguments.split_whitespace()).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut events = Vec::new();
    let all = async {
        while let Some(line) = lines.next_line().await.expect("it can be read") {
            let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line} is no event"));
            let name = event["name"].clone();
            events.push(event);
            let seen = |name: &str| events.iter().filter(|event| event["name"] == name).count();
            if until.is_some_and(|(last, times)| name == last && seen(last) == times) {
                let pid = child.id().expect("it lives").to_string();
                Command::new("kill").args(["-TERM", &pid]).status().await.expect("it is told to end");
            }
        }
    };
    timeout(LIMIT, all).await.expect("it ends in time");
    timeout(LIMIT, child.wait()).await.expect("it ends in time").expect("it can be waited for");
    events
}

/// Names, and of each value its type; of a list only the first element.
fn shape(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) if number.is_f64() => "fraction".to_owned(),
        Value::Number(_) => "integer".to_owned(),
        Value::String(_) => "text".to_owned(),
        Value::Array(all) => format!("[{}]", all.first().map(shape).unwrap_or_default()),
        Value::Object(all) => {
            let fields: Vec<String> = all
                .iter()
                .map(|(key, value)| match key.as_str() {
                    "name" => format!("name={}", value.as_str().unwrap_or_default()),
                    _ => format!("{key}:{}", shape(value)),
                })
                .collect();
            format!("{{{}}}", fields.join(","))
        }
    }
}

/// The session: what comes several times in a row, once.
fn session(events: &[Value]) -> Vec<String> {
    let mut shapes: Vec<String> = events.iter().map(shape).collect();
    shapes.dedup();
    shapes
}

async fn both(
    kafka: &Kafka,
    consumer: bool,
    arguments: &str,
    until: Option<(&str, usize)>,
) -> [Vec<Value>; 2] {
    let mut all = Vec::new();
    for (of_java, whose) in [(true, "java"), (false, "milena")] {
        let arguments = arguments.replace("{}", whose);
        all.push(events(tool(kafka, of_java, consumer).await, &arguments, until).await);
    }
    all.try_into().expect("two")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_the_verifiable_clients_is_told_as_java_tells_it() {
    let kafka = start(Options::default()).await.expect("Kafka starts");
    kafka.create_topic("read", 1, 1, &[]).expect("a topic");
    for whose in ["java", "milena"] {
        kafka.create_topic(&format!("written-by-{whose}"), 1, 1, &[]).expect("a topic");
    }

    let arguments =
        "--topic written-by-{} --max-messages 4 --throughput 1000 --repeating-keys 3 --value-prefix 7";
    let [java, milena] = both(&kafka, false, arguments, None).await;
    assert_eq!(session(&milena), session(&java));
    let told = |events: &[Value], field: &str| -> Vec<Value> {
        let success = events.iter().filter(|event| event["name"] == "producer_send_success");
        success.map(|event| event[field].clone()).collect()
    };
    for field in ["key", "value", "offset", "partition"] {
        assert_eq!(told(&milena, field), told(&java, field), "{field}");
    }
    let arguments = "--topic written-by-{} --max-messages -1 --throughput 50";
    let [java, milena] = both(&kafka, false, arguments, Some(("producer_send_success", 5))).await;
    assert_eq!(session(&milena), session(&java));
    assert_eq!(milena[1]["key"], Value::Null);

    let config = std::env::temp_dir().join(format!("milena-verifiable-{}.properties", std::process::id()));
    std::fs::write(&config, "max.block.ms=1500\n").expect("a file is written");
    let arguments = format!("--topic nowhere-{{}} --max-messages 1 --command-config {}", config.display());
    let [java, milena] = both(&kafka, false, &arguments, None).await;
    assert_eq!(session(&milena), session(&java));
    let _ = std::fs::remove_file(&config);

    events(tool(&kafka, false, false).await, "--topic read --max-messages 20 --repeating-keys 2", None).await;
    for (protocol, more) in [
        ("classic", "--session-timeout 10000"),
        ("classic", "--assignment-strategy org.apache.kafka.clients.consumer.CooperativeStickyAssignor"),
        ("consumer", "--group-remote-assignor uniform"),
    ] {
        let group = format!("{{}}-{protocol}-{}", more.len());
        let arguments = format!(
            "--topic read --group-id {group} --verbose --reset-policy earliest --group-protocol {protocol} {more}"
        );
        let [java, milena] = both(&kafka, true, &arguments, Some(("offsets_committed", 1))).await;
        // A KIP-848 member's first assignment may be empty, and is told or not as the coordinator's batching has it.
        let told = |events: &[Value]| -> Vec<String> {
            let empty = |event: &&Value| event["partitions"].as_array().is_none_or(|all| !all.is_empty());
            session(&events.iter().filter(empty).cloned().collect::<Vec<_>>())
        };
        assert_eq!(told(&milena), told(&java), "{protocol} {more}");
        let read = |events: &[Value]| -> Vec<Value> {
            let records = events.iter().filter(|event| event["name"] == "record_data");
            records.map(|event| serde_json::json!([event["offset"], event["key"], event["value"]])).collect()
        };
        assert_eq!(read(&milena), read(&java), "{protocol} {more}");
        assert_eq!(read(&milena).len(), 20);
    }
}
