//! C16: a position moves otherwise than by delivery only for a reason that is one, and tells what is lost by it.

use std::time::Duration;

use source::MoveCause;

use super::Invariant;
use crate::fact::Fact;
use crate::ledger::Ledger;
use crate::timeline::Change;

#[derive(Debug)]
pub(super) struct MovesAreTrue;

impl Invariant for MovesAreTrue {
    fn name(&self) -> &'static str {
        "C16"
    }

    fn check(&mut self, ledger: &Ledger<'_>, _at: Duration, fact: &Fact) -> Result<(), String> {
        let Fact::Moved { client, at, cause, from, to, lost } = fact else { return Ok(()) };
        let says = format!("{client} says that {at} moved from {from:?} to {to} ({cause})");
        if cause.is_start() || *cause == MoveCause::Seek {
            return Ok(());
        }
        let begins = |change: &Change| matches!(change, Change::Deleted(below) if below == to);
        let begins = *to == 0 || ledger.changes(at).iter().any(begins);
        let was_cut = ledger.is_truncated(at);
        match cause {
            MoveCause::Reset(_) if !begins && !was_cut => Err(format!("{says}, where the log never began")),
            MoveCause::OutOfRangeBelow if !begins && !was_cut => {
                Err(format!("{says}, where the log never began"))
            }
            MoveCause::Truncated | MoveCause::OutOfRangeAbove if !was_cut => {
                Err(format!("{says}, and nothing was cut off"))
            }
            MoveCause::SkippedCorrupt | MoveCause::TopicRecreated => {
                Err(format!("{says}, which happens in no world"))
            }
            _ => match from {
                Some(from) if from < to && *lost != Some(*from..*to) => {
                    Err(format!("{says}, and that {lost:?} is lost"))
                }
                Some(from) if ledger.log(at).has_any(*from..*to) => {
                    Err(format!("{says}, and passes over records"))
                }
                _ => Ok(()),
            },
        }
    }
}
