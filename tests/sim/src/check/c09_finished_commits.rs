//! C9: everything before a committed offset was acknowledged, in the ownership that commits it.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct FinishedCommits;

impl Invariant for FinishedCommits {
    fn name(&self) -> &'static str {
        "C9"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Commit { client, generation, at, offset, .. } = fact else { return Ok(()) };
        let sessions = ledger.sessions_in(client, at, *generation);
        let log = ledger.log(at);
        if sessions.iter().any(|session| session.covers(log, *offset)) {
            return Ok(());
        }
        let known: Vec<_> = sessions
            .iter()
            .map(|session| {
                format!("it began at {:?} and has finished all below {}", session.bases, session.clean)
            })
            .collect();
        let known = if known.is_empty() { "it has read nothing of it".to_owned() } else { known.join("; ") };
        Err(format!("{client} asks to commit {at} = {offset}: {known}"))
    }
}
