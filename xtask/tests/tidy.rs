//! Style as a test: what no compiler checks, in the time of one `cat`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Past this a file has a second noun in it.
const LINES_MAX: usize = 1000;

const PURE: [&str; 2] = ["crates/milena-records/src", "crates/milena-proto/src"];

/// What a pure crate must not name outside its tests: the world's clocks, threads, sockets, files and dice.
const WORLD: [&str; 9] = [
    "Instant::now",
    "SystemTime::now",
    "std::thread",
    "thread::spawn",
    "std::net",
    "std::fs",
    "tokio",
    "rand::",
    "HashMap<",
];

#[test]
fn files_are_short_and_whole() {
    let mut wrong = Vec::new();
    for file in files(&["crates"], &["rs"]) {
        let text = read(&file);
        let lines = text.lines().count();
        if in_src(&file) && lines > LINES_MAX {
            wrong.push(format!("{}: {lines} lines, {LINES_MAX} are enough", file.display()));
        }
        for banned in ["todo!(", "unimplemented!("] {
            if code(&text).contains(banned) {
                wrong.push(format!("{}: {banned}…)", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn lines_end_where_they_end() {
    let mut wrong = Vec::new();
    let folders = ["crates", "tests", "benches", "xtask", "docs", "fuzz"];
    for file in files(&folders, &["rs", "toml", "md", "java", "py", "js"]) {
        for (number, line) in read(&file).lines().enumerate() {
            if line.ends_with([' ', '\t']) {
                wrong.push(format!("{}:{}: white space at the end", file.display(), number + 1));
            }
            if line.contains('\t') {
                wrong.push(format!("{}:{}: a tab", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn pure_crates_do_not_name_the_world() {
    let mut wrong = Vec::new();
    for file in files(&PURE, &["rs"]).into_iter().filter(|file| !is_test(file)) {
        let text = production(&file);
        for word in WORLD {
            if text.contains(word) {
                wrong.push(format!("{}: {word}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Crates that the simulation runs, and so must do the same thing twice.
const SIMULATED: [&str; 4] =
    ["crates/milena-client/src", "crates/milena-source/src", "crates/milena-testkit/src", "tests/sim/src"];

/// Tokio's own dice say who wakes first in `watch`, and where a `select!` begins that is not biased. No seed reaches them.
#[test]
fn what_is_simulated_throws_no_dice() {
    let mut wrong = Vec::new();
    for file in files(&SIMULATED, &["rs"]) {
        let text = code(&read(&file));
        if text.contains("sync::watch") || text.contains("watch::") {
            wrong.push(format!("{}: tokio's watch; the client has `Changes`", file.display()));
        }
        for arms in text.split("select! {").skip(1) {
            if !arms.trim_start().starts_with("biased;") {
                wrong.push(format!("{}: a select! that is not biased", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// A defect that cannot be planted any more says nothing about what would find it.
#[test]
fn planted_defects_fit_the_sources() {
    let planted = xtask::planted().expect("they can be read");
    assert!(planted.len() >= 6, "six at least");
    for defect in planted {
        let sources = read(&Path::new("crates/milena-proto").join(&defect.file));
        assert_eq!(sources.matches(&defect.right).count(), 1, "{} in {}", defect.name, defect.file.display());
        assert_ne!(defect.right, defect.wrong, "{}", defect.name);
    }
}

/// The code of a file without its comments and its tests.
fn production(file: &Path) -> String {
    let text = read(file);
    code(text.split("#[cfg(test)]\nmod ").next().unwrap_or_default())
}

#[test]
fn only_the_wire_names_the_generated_messages() {
    let crates = ["milena-records", "milena-proto", "milena-client", "milena-source", "milena-cli"];
    let folders = crates.map(|name| format!("crates/{name}/src"));
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    let wire = Path::new("crates/milena-proto/src/wire");
    let named: Vec<PathBuf> = files(&folders, &["rs"])
        .into_iter()
        .filter(|file| !file.starts_with(wire) && *file != wire.with_extension("rs"))
        .filter(|file| production(file).contains("kafka_protocol"))
        .collect();
    assert!(named.is_empty(), "{named:?}");
    assert!(root().join(wire).is_dir(), "the wire has moved: this test no longer knows what it forbids");
}

#[test]
fn dependencies_point_one_way() {
    // Each crate with those it may name; tests of a crate may use the test kit. The test kit names the client for its
    // `Connect`, if asked to; what a client believes of a broker is no business of a broker's.
    let allowed: [(&str, &[&str]); 7] = [
        ("milena-records", &[]),
        ("milena-proto", &["records"]),
        ("milena-testkit", &["records", "client"]),
        ("milena-client", &["records", "proto"]),
        ("milena-source", &["records", "proto", "client"]),
        ("milena-cli", &["records", "client", "source"]),
        ("../xtask", &[]),
    ];
    let ours = ["records", "proto", "client", "source", "testkit", "milena-tests", "xtask"];
    for (name, allowed) in allowed {
        let path = root().join("crates").join(name).join("Cargo.toml");
        let manifest = read(&path);
        assert!(
            name != "milena-testkit" || manifest.contains("client = { workspace = true, optional = true }"),
            "the test kit needs the client for its tests and for one feature, for nothing else"
        );
        for dependency in dependencies(&manifest) {
            let dependency = dependency.strip_prefix("milena-").unwrap_or(&dependency).to_owned();
            let known = ours.iter().any(|our| our.strip_prefix("milena-").unwrap_or(our) == dependency);
            assert!(
                !known || allowed.contains(&dependency.as_str()),
                "{name} must not depend on {dependency}"
            );
        }
    }
}

/// The names under `[dependencies]` and `[build-dependencies]`.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line == "[dependencies]" || line == "[build-dependencies]";
            continue;
        }
        if inside && let Some(end) = line.find(['.', '=', ' ']) {
            names.insert(line[..end].to_owned());
        }
    }
    names
}

/// The text without comments, in which words may be named.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<&str>>().join("\n")
}

fn in_src(file: &Path) -> bool {
    file.components().any(|part| part.as_os_str() == "src")
}

fn is_test(file: &Path) -> bool {
    let names =
        |part: std::path::Component<'_>| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs";
    file.components().any(names)
}

/// Files below folders of the work tree with one of these endings, relative to it, sorted.
fn files(folders: &[&str], endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = folders.iter().map(|&folder| PathBuf::from(folder)).collect();
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(root().join(&folder)) else { continue };
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && entry.file_name() != "target" {
                open.push(path);
            } else if path.extension().is_some_and(|end| endings.iter().any(|ending| end == *ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(file: &Path) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn root() -> PathBuf {
    xtask::root()
}

#[test]
fn tidy_sees_what_it_looks_for() {
    assert_eq!(code("let a = 1; // Instant::now\n/// tokio"), "let a = 1; \n");
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nrecords = { workspace = true }\nbytes.workspace = true\n\
                    [dev-dependencies]\ntestkit.workspace = true\n";
    assert_eq!(dependencies(manifest).into_iter().collect::<Vec<_>>(), ["bytes", "records"]);
    let all = files(&["crates", "xtask"], &["rs"]);
    assert!(all.contains(&PathBuf::from("xtask/src/main.rs")) && all.len() > 50);
}
