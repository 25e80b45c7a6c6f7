//! C9: everything before a committed offset was acknowledged, in the ownership that commits it.

use std::time::Duration;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;

#[derive(Debug)]
pub(super) struct FinishedCommits {
    /// Whether the generation of a commit is the one in which it is sent. Member epochs may be those of the assignment.
    pub(super) is_classic: bool,
}

impl Invariant for FinishedCommits {
    fn name(&self) -> &'static str {
        "C9"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Commit { client, generation, at, offset, .. } = fact else { return Ok(()) };
        let sessions = ledger.sessions_in(client, at, if self.is_classic { *generation } else { i32::MAX });
        let log = ledger.log(at);
        if sessions.iter().any(|session| session.covers(log, *offset)) {
            return Ok(());
        }
        let known: Vec<_> = sessions
            .iter()
            .map(|session| {
                let (last, unfinished) = (session.last, session.unfinished());
                format!(
                    "it began at {:?}, has read to {last:?}, and not finished {unfinished:?}",
                    session.bases
                )
            })
            .collect();
        let known = if known.is_empty() { "it has read nothing of it".to_owned() } else { known.join("; ") };
        Err(format!("{client} asks to commit {at} = {offset}: {known}"))
    }
}
