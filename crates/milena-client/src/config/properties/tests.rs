use super::*;

fn pairs(text: &str) -> Result<Vec<(String, String)>, SyntaxError> {
    LogicalLines::new(text).map(|logical| split(&logical.text)).collect()
}

/// Undoes the `%xxxx` of testdata/config/properties.golden.
fn decoded(text: &str) -> String {
    let mut units = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '%' {
            let digits: String = chars.by_ref().take(4).collect();
            units.push(u16::from_str_radix(&digits, 16).unwrap());
        } else {
            units.push(c as u16);
        }
    }
    String::from_utf16(&units).unwrap()
}

#[test]
fn reads_what_java_reads() {
    let golden =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/config/properties.golden"));
    let mut cases = 0;
    for line in golden.lines().filter(|line| !line.starts_with("# ")) {
        let (text, expected) = line.split_once('\t').unwrap();
        let text = decoded(text);
        let expected: Result<Vec<(String, String)>, SyntaxError> = match expected {
            "-" => Ok(Vec::new()),
            "!error" => Err(SyntaxError::BadUnicodeEscape),
            list => Ok(list
                .split(',')
                .map(|pair| pair.split_once('=').unwrap())
                .map(|(key, value)| (decoded(key), decoded(value)))
                .collect()),
        };
        assert_eq!(pairs(&text), expected, "{text:?}");
        cases += 1;
    }
    assert!(cases > 290, "only {cases} cases in the golden file");
}

#[test]
fn a_key_given_twice_names_both_lines() {
    let error = Properties::parse("# one\nlinger.ms=1\nacks=\\\n all\nlinger.ms:2\n").unwrap_err();
    assert_eq!(
        error,
        ConfigError::Duplicate { key: "linger.ms".to_owned(), first: Place::Line(2), second: Place::Line(5) }
    );
    assert_eq!(error.to_string(), "`linger.ms` is given twice: line 2 and line 5");
    let error = Properties::from_pairs([("a", "1"), ("b", "1"), ("a", "1")]).unwrap_err();
    assert_eq!(error.to_string(), "`a` is given twice: pair 1 and pair 3");
}

#[test]
fn mistakes_name_their_line() {
    for (text, message) in [
        ("a=b\r\nc=\\\n\\u12x4", "line 2: \\u needs four hexadecimal digits"),
        ("\\u+123=b", "line 1: \\u needs four hexadecimal digits"),
        ("a=b\n\nc=\\ud83d", "line 3: a \\u escape is half of a surrogate pair"),
        ("a=b\n=c", "line 2: there is no key"),
    ] {
        assert_eq!(Properties::parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_command_line_replaces_single_settings_of_a_file() {
    let file = Properties::parse("acks=all\nlinger.ms=1").unwrap();
    let line = Properties::from_pairs([("linger.ms", "2"), ("batch.size", "3")]).unwrap();
    let both = file.overridden_by(line);
    assert_eq!(
        ["acks", "linger.ms", "batch.size"].map(|key| both.get(key)),
        [Some("all"), Some("2"), Some("3")]
    );
    assert_eq!(both.entries().len(), 3);
}

#[test]
fn debug_shows_settings_and_hides_secrets_and_strangers() {
    let text = "linger.ms=7\nssl.keystore.password=hunter2\nsasl.jaas.config=x password=\"hunter2\";\n\
                ssl.keystore.key=hunter2\nssl.keystore.pasword=hunter2\nmy.own=hunter2";
    let shown = format!("{:?}", Properties::parse(text).unwrap());
    assert!(shown.contains("\"linger.ms\": \"7\""), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(shown.matches("Secret(***)").count(), 5, "{shown}");
}
