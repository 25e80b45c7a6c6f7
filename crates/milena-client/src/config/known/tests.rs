use super::*;
use crate::config::Properties;

/// The lists that Java printed, as (role, name, type, default).
pub(in crate::config) fn javas() -> Vec<(Role, &'static str, &'static str, &'static str)> {
    macro_rules! list {
        ($file:literal) => {
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/config/", $file))
        };
    }
    let mut all = Vec::new();
    for (role, text) in [
        (Role::Client, list!("admin.txt")),
        (Role::Consumer, list!("consumer.txt")),
        (Role::Producer, list!("producer.txt")),
    ] {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut columns = line.split('\t');
            let mut next = || columns.next().unwrap();
            all.push((role, next(), next(), next()));
        }
    }
    for line in list!("removed.txt").lines().filter(|line| !line.starts_with('#')) {
        let mut columns = line.split('\t');
        let role = match columns.next().unwrap() {
            "admin" => Role::Client,
            "consumer" => Role::Consumer,
            other => {
                assert_eq!(other, "producer");
                Role::Producer
            }
        };
        all.push((role, columns.next().unwrap(), "", "-"));
    }
    all
}

#[test]
fn every_name_of_java_has_a_verdict_in_its_role() {
    let names = javas();
    assert!(names.len() > 320, "only {} names in testdata", names.len());
    for (role, name, ..) in names {
        assert!(verdict(name, role).is_some(), "no verdict on {name} for a {role}");
    }
}

#[test]
fn no_row_claims_a_name_that_java_does_not_have() {
    let names = javas();
    for known in known_settings().filter(|known| !known.name.starts_with("milena.")) {
        for &role in known.roles {
            assert!(
                names.iter().any(|&(r, name, ..)| (r, name) == (role, known.name)),
                "{} for a {role}",
                known.name
            );
        }
    }
}

#[test]
fn rows_are_sorted_and_name_a_setting_once_per_role() {
    for part in table::ROWS {
        assert!(part.is_sorted_by_key(|known| known.name), "a part of the table is not sorted");
    }
    for known in known_settings() {
        for &role in known.roles {
            let rows =
                known_settings().filter(|row| row.name == known.name && row.roles.contains(&role)).count();
            assert_eq!(rows, 1, "{} for a {role}", known.name);
        }
        assert!(known.name.len() <= KEY_LEN_MAX);
    }
}

#[test]
fn every_reason_is_a_clause_that_reads_on() {
    for known in known_settings() {
        let (Verdict::Ignored { why } | Verdict::NotSupported { why } | Verdict::NotSupportedYet { why }) =
            known.verdict
        else {
            continue;
        };
        assert!(why.len() > 10 && !why.ends_with('.'), "{}: {why}", known.name);
    }
}

#[test]
fn every_setting_that_java_types_as_a_password_is_hidden() {
    let passwords: Vec<&str> = javas().iter().filter(|row| row.2 == "PASSWORD").map(|row| row.1).collect();
    assert_eq!(passwords.len(), 3 * 9);
    for name in passwords {
        assert!(!may_be_shown(name), "{name}");
    }
    assert!(may_be_shown("linger.ms") && may_be_shown("group.id"));
    assert!(!may_be_shown("my.own.setting"), "a stranger may be a misspelt password");
}

#[test]
fn a_refusal_never_repeats_the_value() {
    let mut refused = 0;
    for (role, name, ..) in javas() {
        if !matches!(
            verdict(name, role),
            Some(Verdict::NotSupported { .. } | Verdict::NotSupportedYet { .. })
        ) {
            continue;
        }
        let properties = Properties::from_pairs([("bootstrap.servers", "a:1"), (name, "hunter2")]).unwrap();
        let error = match role {
            Role::Client => properties.into_client().unwrap_err(),
            Role::Consumer => properties.into_consumer().unwrap_err(),
            Role::Producer => properties.into_producer().unwrap_err(),
        };
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && shown.contains(name), "{shown}");
        refused += 1;
    }
    assert!(refused > 180, "only {refused} settings are refused");
}

#[test]
fn a_misspelt_key_finds_its_neighbour() {
    for (key, expected) in [
        ("boostrap.servers", Some("bootstrap.servers")),
        ("bootstrap.server", Some("bootstrap.servers")),
        ("BOOTSTRAP_SERVERS", Some("bootstrap.servers")),
        ("bootstrapServers", Some("bootstrap.servers")),
        ("fetch.wait.max.ms", Some("fetch.max.wait.ms")),
        ("milena.budget", Some("milena.budget.bytes")),
        ("ack", Some("acks")),
        ("reqest.timeout", Some("request.timeout.ms")),
        ("queued.min.messages", None),
        ("", None),
        ("x", None),
    ] {
        assert_eq!(nearest(key), expected, "{key}");
    }
    assert_eq!(nearest(&"a".repeat(100_000)), None);
}

#[test]
fn edits_are_counted_as_levenshtein_did() {
    for (a, b, distance) in [
        ("", "", 0),
        ("", "ab", 2),
        ("ab", "", 2),
        ("kitten", "sitting", 3),
        ("ms", "sm", 2),
        ("abc", "abc", 0),
    ] {
        assert_eq!(edits(a, b), distance, "{a} {b}");
    }
}

#[test]
fn a_stray_line_of_key_material_is_not_shown_as_a_key() {
    for key in ["boostrap.servers", "BOOTSTRAP_SERVERS", "bootstrapServers", "a-b_c.d1"] {
        assert_eq!(shown_key(key), key);
    }
    for key in [
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
        "Q29tZQ",
        "-----BEGIN PRIVATE KEY-----",
        "a\nb",
        &"a".repeat(81),
    ] {
        assert_eq!(shown_key(key), format!("({} bytes that do not look like a key)", key.len()));
    }
    let text = "bootstrap.servers=a:1\nssl.keystore.key=-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC/b+\n";
    let properties = Properties::parse(text).unwrap();
    assert!(!format!("{properties:?}").contains("MII"));
    let error = Properties::parse(text.split_once('\n').unwrap().1.split_once('\n').unwrap().1).unwrap();
    let shown = error.into_client().unwrap_err().to_string();
    assert_eq!(shown, "line 1: unknown key `(35 bytes that do not look like a key)`");
}
