//! Subscriptions by regular expression: matched by the coordinator, against whole topic names (KIP-848, RE2J).

use std::collections::BTreeSet;

use kafka_protocol::protocol::StrBytes;

use super::super::Now;
use super::super::call::{Env, Topics};
use super::{ConsumerGroup, Member};

/// `GroupMetadataManager.REGEX_BATCH_REFRESH_MIN_INTERVAL_MS`: expressions are not matched anew more often than this.
const REFRESH_INTERVAL: Now = Now::from_secs(10);

/// The topics that an expression stood for when it was last matched.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolved {
    pub(crate) topics: BTreeSet<StrBytes>,
    at: Now,
    topics_version: u64,
}

/// Whether an expression is one. Says what is wrong with it.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    compile(pattern).map(drop)
}

// Rust's regex crate and Go's RE2 share syntax and the promise of linear time. The anchors make it match whole names.
fn compile(pattern: &str) -> Result<::regex::Regex, String> {
    ::regex::Regex::new(&format!("^(?:{pattern})$")).map_err(|_| {
        // The full message draws the pattern over several lines; the last one says what is wrong.
        let error = ::regex::Regex::new(pattern).err().map(|error| error.to_string()).unwrap_or_default();
        error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

impl ConsumerGroup {
    /// Whether a heartbeat must be followed by [`Self::resolve_regexes`].
    pub(super) fn wants_regexes(&self, now: Now, topics_version: u64) -> bool {
        let mut wanted = self.members.values().filter_map(|member| expression(member)).peekable();
        if wanted.peek().is_none() {
            return false;
        }
        let unresolved = wanted.any(|regex| !self.regexes.contains_key(regex));
        match self.regexes.values().next() {
            None => true,
            // They are resolved together, so any of them tells when.
            Some(resolved) => {
                now > resolved.at.saturating_add(REFRESH_INTERVAL)
                    && (unresolved || resolved.topics_version < topics_version)
            }
        }
    }

    /// Matches every expression of the group against the topics there are. The group's epoch grows if that changes
    /// anything: members learn of it by their next heartbeat.
    pub(super) fn resolve_regexes(&mut self, env: &Env, topics: &dyn Topics, topics_version: u64) {
        let wanted: BTreeSet<StrBytes> = self.members.values().filter_map(expression).cloned().collect();
        let names = topics.names();
        let mut changed = false;
        for pattern in wanted {
            let Ok(regex) = compile(pattern.as_str()) else { continue };
            let topics: BTreeSet<StrBytes> =
                names.iter().filter(|name| regex.is_match(name.as_str())).cloned().collect();
            let before = self.regexes.get(&pattern).map(|resolved| &resolved.topics);
            changed |= before.map_or(!topics.is_empty(), |before| *before != topics);
            self.regexes.insert(pattern, Resolved { topics, at: env.now, topics_version });
        }
        changed |= self.refresh_metadata(topics, topics_version);
        if changed {
            self.epoch = self.epoch.saturating_add(1);
        }
    }

    pub(super) fn drop_unused_regexes(&mut self) {
        let used: BTreeSet<&StrBytes> = self.members.values().filter_map(expression).collect();
        self.regexes.retain(|pattern, _| used.contains(pattern));
    }
}

/// A member's expression, if it has one that says anything.
fn expression(member: &Member) -> Option<&StrBytes> {
    member.regex.as_ref().filter(|regex| !regex.is_empty())
}
