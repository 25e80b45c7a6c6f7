//! What becomes of every setting of Kafka's Java clients.
//!
//! [`table`] has one row per name and role; the tests hold it against the lists in `testdata/config`, which Java printed.

use std::fmt;

use super::error::ConfigError;
use super::properties::{Entry, Note};

pub(super) mod table;

/// What a set of properties is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// A client that neither fetches nor produces: administration. Java's `AdminClientConfig`.
    Client,
    /// A reader. Java's `ConsumerConfig`.
    Consumer,
    /// A writer. Java's `ProducerConfig`.
    Producer,
}

/// What becomes of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It does in Milena what it does in Java, or is Milena's own.
    Used,
    /// It is accepted and has no effect, because leaving it out changes nothing that a program could rely on.
    Ignored {
        /// Why it does not apply.
        why: &'static str,
    },
    /// It is refused, because going on without it would not be what was asked for.
    NotSupported {
        /// Why Milena does not do it.
        why: &'static str,
    },
    /// It is refused by this version, for the same reason.
    NotSupportedYet {
        /// What is missing.
        why: &'static str,
    },
}

/// A setting that Milena knows.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The property name.
    pub name: &'static str,
    /// The roles this row speaks for.
    pub roles: &'static [Role],
    /// What becomes of it.
    pub verdict: Verdict,
    /// Values that ask for nothing Milena lacks; for them a refusal becomes a note.
    pub harmless: &'static [&'static str],
}

/// Every setting that Milena knows: all of Java's consumer, producer and admin client from 2.1 to 4.3, and `milena.*`.
/// A name has more than one row where roles differ.
pub fn known_settings() -> impl Iterator<Item = &'static Known> {
    table::ROWS.iter().copied().flatten()
}

/// What becomes of a setting in a role; `None` if that role has no setting of this name.
pub fn verdict(name: &str, role: Role) -> Option<Verdict> {
    row(name, role).map(|known| known.verdict)
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Consumer => "consumer",
            Self::Producer => "producer",
        })
    }
}

fn row(name: &str, role: Role) -> Option<&'static Known> {
    known_settings().find(|known| known.name == name && known.roles.contains(&role))
}

fn any_row(name: &str) -> Option<&'static Known> {
    known_settings().find(|known| known.name == name)
}

/// Lets an entry through to the builders (`Some` key), drops it (`None`), or refuses it.
pub(super) fn admit(entry: &Entry, role: Role) -> Result<Option<&'static str>, ConfigError> {
    let Some(known) = row(&entry.key, role) else {
        return match any_row(&entry.key) {
            Some(_) => Ok(None),
            None => Err(ConfigError::Unknown {
                key: shown_key(&entry.key),
                place: entry.place,
                nearest: nearest(&entry.key),
            }),
        };
    };
    match known.verdict {
        Verdict::Used => Ok(Some(known.name)),
        Verdict::Ignored { .. } => Ok(None),
        _ if known.harmless.contains(&entry.value().trim()) => Ok(None),
        Verdict::NotSupported { why } => Err(ConfigError::NotSupported { key: known.name, value: None, why }),
        Verdict::NotSupportedYet { why } => {
            Err(ConfigError::NotSupportedYet { key: known.name, value: None, why })
        }
    }
}

pub(super) fn note(key: &str, value: &str, role: Role) -> Option<Note> {
    let Some(known) = row(key, role) else {
        let why = match any_row(key)?.roles {
            [Role::Consumer] => "only a consumer reads it",
            [Role::Producer] => "only a producer reads it",
            [Role::Client] => "only an administration client reads it",
            _ => "it belongs to another kind of client",
        };
        return Some(Note { key: any_row(key)?.name, why });
    };
    match known.verdict {
        Verdict::Used => None,
        Verdict::Ignored { why } => Some(Note { key: known.name, why }),
        _ if known.harmless.contains(&value.trim()) => {
            Some(Note { key: known.name, why: "this value asks for nothing that Milena lacks" })
        }
        _ => None,
    }
}

/// Whether values of this key may appear in messages: it is known, and does not sound like a secret. An unknown key may
/// be a misspelt password.
pub(super) fn may_be_shown(key: &str) -> bool {
    let is_secret = SECRET_WORDS.iter().any(|word| key.contains(word)) || KEY_MATERIAL.contains(&key);
    !is_secret && any_row(key).is_some()
}

/// A key for a message. Where a line of a multi-line secret lost its backslash, it arrives here as a key of its own;
/// such a line is long, mixes cases and digits, or has characters that no setting's name has.
pub(super) fn shown_key(key: &str) -> String {
    let word = key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    let lower = !key.bytes().any(|b| b.is_ascii_uppercase());
    let upper = !key.bytes().any(|b| b.is_ascii_lowercase());
    let camel = key.len() <= CAMEL_LEN_MAX && !key.bytes().any(|b| b.is_ascii_digit());
    if word && key.len() <= KEY_LEN_MAX && (lower || upper || camel) {
        key.to_owned()
    } else {
        format!("({} bytes that do not look like a key)", key.len())
    }
}

/// The known name that `key` resembles: the same words in another order or spelling, its beginning, or few edits away.
fn nearest(key: &str) -> Option<&'static str> {
    if key.len() > KEY_LEN_MAX {
        return None;
    }
    let key = dotted(key);
    let words = sorted_words(&key);
    let is_beginning =
        |name: &str| words.len() > 1 && name.strip_prefix(&*key).is_some_and(|rest| rest.starts_with('.'));
    let distance = |name: &str| match () {
        () if sorted_words(name) == words => 0,
        () if is_beginning(name) => 1,
        () => edits(&key, name),
    };
    let names = known_settings().map(|known| (distance(known.name), known.name));
    let (distance, name) = names.min_by_key(|(distance, _)| *distance)?;
    (distance <= (key.len() / 3).max(2)).then_some(name)
}

/// `BOOTSTRAP_SERVERS`, `bootstrapServers` and `bootstrap-servers` are all `bootstrap.servers`.
fn dotted(key: &str) -> String {
    let shouted = !key.bytes().any(|b| b.is_ascii_lowercase());
    let mut dotted = String::with_capacity(key.len() + 4);
    for c in key.chars() {
        if matches!(c, '_' | '-') {
            dotted.push('.');
            continue;
        }
        if c.is_ascii_uppercase() && !shouted {
            dotted.push('.');
        }
        dotted.push(c.to_ascii_lowercase());
    }
    dotted
}

fn sorted_words(key: &str) -> Vec<&str> {
    let mut words: Vec<&str> = key.split('.').collect();
    words.sort_unstable();
    words
}

/// Levenshtein's distance, one row at a time.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &b) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

const SECRET_WORDS: [&str; 5] = ["password", "passphrase", "secret", "jaas", "token"];

/// Java types these as passwords, too.
const KEY_MATERIAL: [&str; 3] =
    ["ssl.keystore.key", "ssl.keystore.certificate.chain", "ssl.truststore.certificates"];

/// The longest name has 51.
const KEY_LEN_MAX: usize = 80;
const CAMEL_LEN_MAX: usize = 40;

#[cfg(test)]
pub(super) mod tests;
