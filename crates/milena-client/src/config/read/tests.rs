use super::*;
use crate::config::known::tests::javas;
use crate::config::{Acks, Compression, Verdict, known_settings, verdict};

const SERVERS: (&str, &str) = ("bootstrap.servers", "a:1");

/// The whole configuration of a role in one comparable text. The reader is in a group, so that the group's settings count.
fn built(role: Role, extra: &[(&str, &str)]) -> Result<String, ConfigError> {
    let mut pairs = vec![SERVERS];
    if role == Role::Consumer {
        pairs.push(("group.id", "g"));
    }
    let base = Properties::from_pairs(pairs)?;
    let all = base.overridden_by(Properties::from_pairs(extra.iter().copied())?);
    match role {
        Role::Client => all.into_client().map(|config| format!("{config:?}")),
        Role::Consumer => all.into_consumer().map(|config| format!("{config:?}")),
        Role::Producer => all.into_producer().map(|config| format!("{config:?}")),
    }
}

/// `defaults.rs` names each of these and says why.
const DEPARTURES: [&str; 3] = ["allow.auto.create.topics", "receive.buffer.bytes", "send.buffer.bytes"];

#[test]
fn what_java_would_do_unasked_is_what_happens_unasked() {
    let mut compared = 0;
    for (role, name, _, default) in javas() {
        let used = verdict(name, role) == Some(Verdict::Used);
        // An administration client may ask controllers instead, so Java gives `bootstrap.servers` a default there.
        // `null` has no form in a properties file. An administration client is idle sooner in Java than a reader.
        if !used
            || name == SERVERS.0
            || matches!(default, "-" | "null")
            || (role, name) == (Role::Client, "connections.max.idle.ms")
        {
            continue;
        }
        let same = built(role, &[(name, default)]) == built(role, &[]);
        assert_eq!(same, !DEPARTURES.contains(&name), "{name}={default} for a {role}");
        compared += 1;
    }
    assert!(compared >= 75, "only {compared} defaults were compared");
}

/// Any text is a name.
const FREE_TEXT: [&str; 3] = ["client.id", "client.rack", "group.id"];

#[test]
fn every_used_setting_is_read_and_a_malformed_value_names_it() {
    for known in known_settings().filter(|known| known.verdict == Verdict::Used) {
        for &role in known.roles {
            let result = built(role, &[(known.name, "no such value")]);
            if FREE_TEXT.contains(&known.name) {
                assert!(result.unwrap().contains("no such value"), "{} for a {role}", known.name);
                continue;
            }
            let message = result.unwrap_err().to_string();
            assert!(message.starts_with(known.name) && message.contains("no such value"), "{message}");
        }
    }
}

#[test]
fn every_number_has_bounds_that_its_error_names() {
    let mut bounded = 0;
    for known in known_settings().filter(|known| known.verdict == Verdict::Used) {
        for &role in known.roles {
            let Err(ConfigError::Invalid { expected, .. }) = built(role, &[(known.name, "x y")]) else {
                continue;
            };
            if !expected.starts_with("a whole number") {
                continue;
            }
            for raw in ["-99999999", "99999999999999999999"] {
                if (known.name, raw) == ("connections.max.idle.ms", "-99999999") {
                    continue;
                }
                match built(role, &[(known.name, raw)]) {
                    Err(ConfigError::OutOfRange { setting, min, max }) => {
                        assert!(setting.key == known.name && min < max);
                    }
                    other => panic!("{}={raw} for a {role}: {other:?}", known.name),
                }
            }
            bounded += 1;
        }
    }
    assert!(bounded > 50, "only {bounded} numbers");
}

#[test]
fn a_reader_is_put_together_from_a_file() {
    let text = "# billing\nbootstrap.servers = a:9092 , [::1]:9093 \ngroup.id: billing\n\
                partition.assignment.strategy=cooperative-sticky\nfetch.max.wait.ms 100\n\
                enable.auto.commit=false\nauto.commit.interval.ms=1\nmilena.budget.bytes=1048576\n\
                key.deserializer=org.apache.kafka.common.serialization.StringDeserializer\nacks=0\n";
    let properties = Properties::parse(text).unwrap();
    let notes: Vec<String> = properties.notes(Role::Consumer).iter().map(ToString::to_string).collect();
    assert_eq!(
        notes,
        [
            "key.deserializer has no effect: keys and values are bytes here; the program decodes them",
            "acks has no effect: only a producer reads it",
        ]
    );
    let (client, fetch, group) = properties.into_consumer().unwrap().into_parts();
    assert_eq!(client.bootstrap_servers().len(), 2);
    assert_eq!((fetch.max_wait().as_millis(), fetch.budget_bytes()), (100, 1 << 20));
    let group = group.unwrap();
    assert_eq!((group.group_id(), group.commit_interval()), ("billing", None));
}

#[test]
fn without_a_group_id_there_is_no_group_and_nothing_to_commit_to() {
    let reader =
        Properties::from_pairs([SERVERS, ("session.timeout.ms", "9")]).unwrap().into_consumer().unwrap();
    assert_eq!(reader.group(), None);
    let error = Properties::from_pairs([SERVERS, ("enable.auto.commit", "TRUE")])
        .unwrap()
        .into_consumer()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "enable.auto.commit=true contradicts group.id=(not set): offsets are committed for a group"
    );
    assert!(matches!(built(Role::Consumer, &[("group.id", "  ")]), Err(ConfigError::Invalid { .. })));
}

#[test]
fn a_fetch_is_answered_before_it_times_out() {
    let error = built(Role::Consumer, &[("fetch.max.wait.ms", "30000")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "fetch.max.wait.ms=30000 contradicts request.timeout.ms=30000: every Fetch from a quiet topic would time out"
    );
    assert!(built(Role::Consumer, &[("fetch.max.wait.ms", "29999")]).is_ok());
}

#[test]
fn a_writer_is_put_together_from_pairs() {
    let pairs = [
        SERVERS,
        ("acks", "1"),
        ("linger.ms", "0"),
        ("compression.type", "none"),
        ("request.timeout.ms", "7"),
    ];
    let writer = Properties::from_pairs(pairs).unwrap().into_producer().unwrap();
    assert_eq!((writer.acks(), writer.idempotence()), (Acks::Leader, false));
    assert_eq!((writer.compression(), writer.linger().as_millis()), (Compression::None, 0));
    assert_eq!(writer.client().request_timeout().as_millis(), 7);
}

#[test]
fn an_unknown_key_is_an_error_with_its_line_and_its_neighbour() {
    let error = Properties::parse("bootstrap.servers=a:1\n\nboostrap.servers=b:1")
        .unwrap()
        .into_client()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 3: unknown key `boostrap.servers`; did you mean `bootstrap.servers`?"
    );
    let error = built(Role::Producer, &[("queued.min.messages", "1")]).unwrap_err();
    assert_eq!(error.to_string(), "pair 1: unknown key `queued.min.messages`");
}

#[test]
fn settings_of_another_role_are_noted_and_not_judged() {
    let properties =
        Properties::from_pairs([SERVERS, ("acks", "?"), ("transactional.id", "t"), ("group.id", "")])
            .unwrap();
    assert_eq!(properties.notes(Role::Client).len(), 3);
    assert!(properties.into_client().is_ok());
}

#[test]
fn a_refused_setting_that_asks_for_nothing_is_noted() {
    for (role, key, harmless, refused) in [
        (Role::Consumer, "interceptor.classes", "", "com.example.Mine"),
        (
            Role::Consumer,
            "client.dns.lookup",
            " use_all_dns_ips ",
            "resolve_canonical_bootstrap_servers_only",
        ),
        (Role::Producer, "partitioner.ignore.keys", "false", "true"),
        (Role::Client, "config.providers", "", "env"),
    ] {
        assert!(built(role, &[(key, harmless)]).is_ok(), "{key}");
        let notes = Properties::from_pairs([(key, harmless)]).unwrap().notes(role);
        assert_eq!(notes.len(), 1, "{key}");
        let error = built(role, &[(key, refused)]).unwrap_err();
        assert!(error.to_string().starts_with(&format!("{key} is not supported")), "{error}");
    }
}

#[test]
fn crc_checks_stay_on_and_the_note_says_why() {
    let properties = Properties::from_pairs([SERVERS, ("check.crcs", "false")]).unwrap();
    let [note] = properties.notes(Role::Consumer)[..] else { panic!("one note") };
    assert_eq!(note.key, "check.crcs");
    assert!(note.why.contains("always verified"), "{note}");
    assert!(properties.into_consumer().is_ok());
}

#[test]
fn the_missing_protocol_is_named_before_what_comes_with_it() {
    let text = "sasl.jaas.config=x password=\"hunter2\";\nssl.truststore.location=/t\nsecurity.protocol=SASL_SSL\nboot=1";
    let error = Properties::parse(text).unwrap().into_consumer().unwrap_err();
    assert!(error.to_string().starts_with("security.protocol=SASL_SSL is not supported yet"), "{error}");
}

#[test]
fn a_value_is_never_looked_up_elsewhere() {
    let raw = "${env:HOME}${file:/etc/passwd:x}";
    let client = Properties::from_pairs([SERVERS, ("client.id", raw)]).unwrap().into_client().unwrap();
    assert_eq!(client.client_id(), raw);
}

#[test]
fn nothing_given_names_what_is_missing() {
    let error = Properties::default().into_client().unwrap_err();
    assert_eq!(error.to_string(), "bootstrap.servers is required: at least one broker to ask for the others");
}
