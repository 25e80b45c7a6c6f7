//! `milena consume` and `milena produce` as their users have them: where they begin and end, what they say, what is committed.

use std::process::{Output, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use milena_tests::fixture::cli::{self, Milena};
use milena_tests::fixture::java::{self, Writer};
use milena_tests::fixture::kafka::{Kafka, Options, Version};
use milena_tests::fixture::produce::produce;
use milena_tests::fixture::start;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Child;
use tokio::time::timeout;

/// A cluster, and the command that talks to it.
async fn world() -> (Kafka, Milena) {
    let kafka = start(Options::new(Version::NEWEST)).await.expect("Kafka starts");
    let milena = Milena::on(&kafka).await;
    (kafka, milena)
}

/// Java writes these kinds into partition 0 of a topic of three, in order.
async fn write(kafka: &Kafka, topic: &str, kinds: &[(&str, &str)]) {
    // Takes records of any time, and keeps them.
    let any_time = [("message.timestamp.after.max.ms", "9223372036854775807"), ("retention.ms", "-1")];
    kafka.create_topic(topic, 3, 1, &any_time).expect("the topic is created");
    let mut writer = Writer::start(kafka).await.expect("the writer starts");
    for (kind, codec) in kinds {
        writer.write(kind, codec, topic, 0).await.expect("Java writes");
    }
}

/// `--from` and `--until` in all forms, against the lines that Java reads.
#[tokio::test(flavor = "multi_thread")]
async fn milena_begins_and_ends_where_it_is_told() {
    let (kafka, milena) = world().await;
    let kinds =
        [("plain", "none"), ("plain", "gzip"), ("headers", "snappy"), ("times", "lz4"), ("batches", "zstd")];
    write(&kafka, "letters", &kinds).await;
    let all = java::dump(&kafka, "read_uncommitted", &["letters"]).await.expect("Java reads");
    let count = all.len();
    let offset = |line: &String| serde_json::from_str::<Value>(line).expect("JSON")["offset"].as_i64();
    assert_eq!(offset(&all[count - 1]), Some(count as i64 - 1), "no gaps: positions are offsets");
    let read = async |args: &str| milena.consume(&format!("-t letters -p 0 {args}")).await;
    assert_eq!(read("--until count:5").await, all[..5]);
    assert_eq!(read("--until count:0").await, [] as [&str; 0]);
    assert_eq!(read("--until offset:7").await, all[..7]);
    assert_eq!(read("--from offset:7 --until latest").await, all[7..]);
    assert_eq!(read("--from offset:3 --until offset:4").await, all[3..4]);
    assert_eq!(read("--from tail:2 --until latest").await, all[count - 2..]);
    assert_eq!(read("--from tail:99999 --until latest").await, all);
    assert_eq!(read("--from latest --until latest").await, [] as [&str; 0]);
    // The third record of `plain` is the first that is not older, and then comes everything after it.
    let third: Value = serde_json::from_str(&all[2]).expect("JSON");
    let from = format!("--from timestamp:{} --until latest", third["timestamp"]);
    assert_eq!(read(&from).await, all[2..]);

    // A group that stops in the middle of a batch goes on there.
    let group = |count| format!("-t letters -g middle --until count:{count}");
    assert_eq!(milena.consume(&group(3)).await, all[..3]);
    assert_eq!(milena.committed("middle").await[0].1, 3);
    assert_eq!(milena.consume(&group(4)).await, all[3..7]);
    assert_eq!(milena.committed("middle").await[0].1, 7);
    // And partitions by name, committed for a group that nobody is a member of.
    let alone = "-t letters -p 0 -g alone --from committed --until";
    assert_eq!(milena.consume(&format!("{alone} count:2")).await, all[..2]);
    assert_eq!(milena.consume(&format!("{alone} latest")).await, all[2..]);
    assert_eq!(milena.committed("alone").await, [("letters-0".to_owned(), count as i64, 0)]);
    output_to_a_file_is_the_same(&milena, &all).await;
}

async fn output_to_a_file_is_the_same(milena: &Milena, all: &[String]) {
    let path = std::env::temp_dir().join(format!("milena-cli-output-{}", std::process::id()));
    let mut command = milena.consume_command("-t letters -g file --until latest");
    command.stdout(std::fs::File::create(&path).expect("a scratch file"));
    let status = command.status().await.expect("the program runs");
    let text = std::fs::read_to_string(&path).expect("the scratch file");
    std::fs::remove_file(&path).expect("the scratch file is ours");
    assert!(status.success());
    assert_eq!(text.lines().collect::<Vec<_>>(), all);
    assert_eq!(milena.committed("file").await[0].2, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn milena_ends_as_it_says() {
    let (kafka, milena) = world().await;
    write(&kafka, "letters", &[("plain", "none")]).await;

    every_line_is_there_at_once(&kafka, &milena).await;

    // A signal: what was printed is committed, the group is left, and that is a good end of an endless read.
    for (signal, group) in [("INT", "interrupted"), ("TERM", "terminated")] {
        let mut child = milena.spawn_consume(&format!("-t letters -g {group}"));
        read_lines(&mut child, 12).await;
        kill(&child, signal).await;
        assert_eq!(end_of(child).await, (Some(0), String::new()), "{signal}");
        assert_eq!(milena.committed(group).await, [("letters-0".to_owned(), 12, 0)]);
        let left = cli::lines(milena.program(), ["groups", "list", "-b", milena.bootstrap()]).await;
        let ours: Vec<_> = left.iter().filter(|line| line.starts_with(group)).collect();
        assert!(ours.len() == 1 && ours[0].contains("Empty"), "{left:?}");
    }
    // A bounded one did not come to its end.
    let mut child = milena.spawn_consume("-t letters --until count:13");
    read_lines(&mut child, 12).await;
    kill(&child, "INT").await;
    assert_eq!(end_of(child).await, (Some(130), String::new()));

    // Whoever read the output goes, while there is nothing to print: a quiet end, and what was printed is committed.
    let mut child = milena.spawn_consume("-t letters -g piped");
    read_lines(&mut child, 12).await;
    drop(child.stdout.take());
    assert_eq!(end_of(child).await, (Some(0), String::new()));
    assert_eq!(milena.committed("piped").await, [("letters-0".to_owned(), 12, 0)]);

    let run = async |args: &str| said(cli::run(milena.program(), args.split(' ')).await);
    let b = milena.bootstrap();
    let (code, text) = run(&format!("consume -b {b} -t no-such-topic")).await;
    assert!(code == Some(1) && text.starts_with("milena: topic no-such-topic: UNKNOWN_TOPIC"), "{text}");
    let (code, text) = run(&format!("consume -b {b} -t letters -p 3")).await;
    assert_eq!((code, &*text), (Some(1), "milena: topic letters has no partition 3: it has 3\n"));
    let (code, text) = run(&format!("consume -b {b} -t letters --property max.poll.recods=1")).await;
    assert!(code == Some(2) && text.contains("did you mean `max.poll.records`?"), "{text}");
    let (code, text) = run(&format!("consume -b {b} -t letters --from committed")).await;
    assert!(code == Some(2) && text.contains("--group"), "{text}");
    // A dead server in front of a live one is no matter.
    let (code, text) = run(&format!("consume -b 127.0.0.1:1,{b} -t letters --until latest")).await;
    assert_eq!((code, &*text), (Some(0), ""));
    let (code, text) = run("consume -b 127.0.0.1:1 -t letters").await;
    assert!(code == Some(1) && text.contains("127.0.0.1:1") && text.contains("refused"), "{text}");
}

/// Whoever reads the pipe has each record while the command waits for the next one, in every format.
async fn every_line_is_there_at_once(kafka: &Kafka, milena: &Milena) {
    kafka.create_topic("drops", 1, 1, &[]).expect("the topic is created");
    let formats = ["", " --format text", " --format raw"];
    let mut children = formats.map(|format| match format {
        "" => milena.spawn_consume("-t drops"),
        // The last of two flags would be refused: these are other commands.
        _ => {
            let args = format!("consume -b {} -t drops{format}", milena.bootstrap());
            let mut command = cli::command(milena.program(), args.split(' '));
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs")
        }
    });
    // One record, then a batch of three: the last line of each is there before anything follows it.
    for count in [1, 3, 1] {
        produce(kafka, "drops", 0, count);
        for child in &mut children {
            read_lines(child, count).await;
        }
    }
    for child in children {
        kill(&child, "INT").await;
        assert_eq!(end_of(child).await, (Some(0), String::new()));
    }
}

/// More members than partitions: one that is given nothing has nothing to wait for.
#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_read_ends_for_members_without_partitions_too() {
    let (kafka, milena) = world().await;
    kafka.create_topic("one", 1, 1, &[]).expect("the topic is created");
    produce(&kafka, "one", 0, 10);
    let mut stays = milena.spawn_consume("-t one -g crowd --from earliest");
    read_lines(&mut stays, 10).await;
    // Whoever of the three is given the partition: two are given nothing, and one of these is bounded.
    let bounded = ["a", "b"].map(|_| milena.spawn_consume("-t one -g crowd --from earliest --until latest"));
    for child in bounded {
        // Its output is read to the end: it must not end because nobody reads it.
        let output =
            timeout(Duration::from_secs(60), child.wait_with_output()).await.expect("an end in time");
        assert_eq!(said(output.expect("it ends")), (Some(0), String::new()));
    }
    assert_eq!(milena.committed("crowd").await, [("one-0".to_owned(), 10, 0)]);
    kill(&stays, "INT").await;
    end_of(stays).await;
}

/// What goes in line by line comes out the same, as Java reads it.
#[tokio::test(flavor = "multi_thread")]
async fn lines_become_records() {
    let (kafka, milena) = world().await;
    let b = milena.bootstrap();
    let create = ["topics", "create", "letters", "--partitions", "3", "-b", b];
    assert_eq!(cli::lines(milena.program(), create).await, [] as [&str; 0]);

    let produce = async |args: &[&str], text: &str| {
        let args = ["produce", "-b", b, "-t", "letters"].into_iter().chain(args.iter().copied());
        let mut child = cli::command(milena.program(), args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(text.as_bytes()).await.expect("it reads");
        drop(stdin);
        end_of(child).await
    };
    let text: String = (0..1000).map(|line| format!("k{}:value {line}\n", line % 10)).collect();
    let sent = produce(&["--key-separator", ":", "--compression", "zstd"], &text).await;
    assert_eq!(sent, (Some(0), String::new()));
    assert_eq!(produce(&["-p", "1"], "no key\n\nno end").await, (Some(0), String::new()));
    let (code, said) = produce(&["-k", ":"], "k:v\nno separator\nk:w\n").await;
    assert_eq!((code, &*said), (Some(1), "milena: line 2: no key: there is no `:` in it\n"));

    let lines = java::dump(&kafka, "read_uncommitted", &["letters"]).await.expect("Java reads");
    let base64 = |json: &Value| Some(STANDARD.decode(json.as_str()?).expect("base64"));
    let record = |line: &String| {
        let json: Value = serde_json::from_str(line).expect("JSON");
        let text = |json: &Value| base64(json).map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
        (json["partition"].as_i64(), text(&json["key"]), text(&json["value"]))
    };
    let records: Vec<_> = lines.iter().map(record).collect();
    // The last line that had a key is written although the next one is refused.
    assert_eq!(records.len(), 1004);
    for key in 0..10 {
        let key = format!("k{key}");
        let of_key: Vec<_> = records.iter().filter(|(_, its, _)| *its == Some(key.clone())).collect();
        assert!(of_key.iter().all(|(partition, ..)| *partition == of_key[0].0), "{key} is in one partition");
        let values: Vec<_> = of_key.iter().filter_map(|(.., value)| value.clone()).collect();
        let sent = text.lines().filter_map(|line| line.split_once(':')).filter(|(its, _)| *its == key);
        assert_eq!(values, sent.map(|(_, value)| value).collect::<Vec<_>>(), "{key} is in order");
    }
    let without: Vec<_> = records.iter().filter(|(_, key, _)| key.is_none()).collect();
    let values: Vec<_> = without.iter().map(|(partition, _, value)| (*partition, value.as_deref())).collect();
    assert_eq!(values, [(Some(1), Some("no key")), (Some(1), Some("")), (Some(1), Some("no end"))]);

    // While it waits for lines: what was read is written, and there might have been more.
    let mut child = cli::command(milena.program(), ["produce", "-b", b, "-t", "letters", "-p", "2"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(b"before\nhalf a li").await.expect("it reads");
    let before = kafka.end_offset("letters", 2).expect("the end of the partition");
    let read = ["consume", "-b", b, "-t", "letters", "-p", "2", "--from", "tail:1", "--until", "latest"];
    timeout(Duration::from_secs(60), async {
        while cli::lines(milena.program(), read).await != ["before"] {}
    })
    .await
    .expect("the line is written while the next one is open");
    kill(&child, "INT").await;
    assert_eq!(end_of(child).await, (Some(130), String::new()));
    let end = kafka.end_offset("letters", 2).expect("the end of the partition");
    assert!((before..=before + 1).contains(&end), "{before}, then {end}");
}

/// Reads so many lines, and closes the pipe.
async fn read_lines(child: &mut Child, count: usize) {
    let out = child.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(out).lines();
    for _ in 0..count {
        let line = timeout(Duration::from_secs(60), lines.next_line()).await.expect("a line in time");
        assert!(line.expect("the pipe holds").is_some(), "the output has ended");
    }
    child.stdout = Some(lines.into_inner().into_inner());
}

async fn kill(child: &Child, signal: &str) {
    let pid = child.id().expect("it runs").to_string();
    let killed = tokio::process::Command::new("kill").args(["-s", signal, &pid]).status().await;
    assert!(killed.expect("there is a `kill`").success());
}

/// Exit code and what was said on standard error. What is left of the output is read to its end: closed, it would be a reason
/// of its own to end.
async fn end_of(child: Child) -> (Option<i32>, String) {
    let output = timeout(Duration::from_secs(60), child.wait_with_output()).await.expect("an end in time");
    said(output.expect("it ends"))
}

fn said(output: Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}
