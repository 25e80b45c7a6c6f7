//! Which public asynchronous functions there are.

use std::fs;
use std::path::Path;

/// Of both crates, by their types: `Client::connect`, `BatchStream: Stream`.
pub(crate) fn asynchronous() -> Vec<String> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates");
    let mut found = Vec::new();
    for name in ["milena-client", "milena-source"] {
        scan_folder(&crates.join(name).join("src"), &mut found);
    }
    found.sort();
    found
}

fn scan_folder(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("a file of sources").path();
        if path.is_dir() {
            scan_folder(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("sources are text");
            scan(&text, found);
        }
    }
}

/// Sources here are formatted: what begins at the margin ends at the margin.
fn scan(text: &str, found: &mut Vec<String>) {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let (mut subject, mut is_hidden) = (None::<String>, false);
    for line in text.lines() {
        if line.starts_with('}') {
            subject = None;
        } else if let Some(rest) = line.strip_prefix("impl") {
            let (what, whom) = implemented(rest);
            match what {
                Some(what @ ("Stream" | "Future" | "AsyncRead" | "AsyncWrite")) => {
                    found.push(format!("{whom}: {what}"));
                }
                Some(_) => {}
                None => subject = Some(whom),
            }
        }
        let function = line.trim_start().strip_prefix("pub async fn ");
        let poll = line.trim_start().strip_prefix("pub fn poll_");
        let name = |rest: &str| rest.split(['(', '<']).next().unwrap_or_default().to_owned();
        let name = function.map(name).or_else(|| poll.map(|rest| format!("poll_{}", name(rest))));
        if let Some(name) = name.filter(|_| !is_hidden) {
            found.push(match &subject {
                Some(subject) => format!("{subject}::{name}"),
                None => name,
            });
        }
        // A back door for tests is no promise.
        is_hidden = line.trim_start().starts_with("#[doc(hidden)]");
    }
}

/// The trait, if there is one, and the type, of `<T> Trait for Type<T> {`.
fn implemented(rest: &str) -> (Option<&str>, String) {
    let rest =
        rest.strip_prefix('<').and_then(|generics| generics.split_once("> ")).map_or(rest, |(_, rest)| rest);
    let bare = |name: &str| name.split(['<', ' ', '{']).next().unwrap_or_default().to_owned();
    match rest.split_once(" for ") {
        Some((what, whom)) => (what.trim().rsplit("::").next(), bare(whom)),
        None => (None, bare(rest.trim_start())),
    }
}

#[test]
fn functions_are_found_by_their_types() {
    let text = "
impl Client {
    pub async fn connect(config: ClientConfig) -> Result<Self> {
    }
    pub(crate) async fn hidden(&self) {}
    async fn own(&self) {}
    #[doc(hidden)]
    pub async fn back_door(&self) {}
    pub async fn topics<S: Into<String>>(
}

impl<'a> Stream for Batches<'a> {
    fn poll_next(self: Pin<&mut Self>) {}
}

impl<T> Reader<T> {
    pub fn poll_read(&mut self) {}
}

impl fmt::Debug for Client {}
pub async fn free() {}
";
    let mut found = Vec::new();
    scan(text, &mut found);
    assert_eq!(found, ["Client::connect", "Client::topics", "Batches: Stream", "Reader::poll_read", "free"]);
}
