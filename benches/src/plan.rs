//! What to run, off the command line.

use xtask::{Error, Result};

use crate::case::{CASES, Case};
use crate::reader::Reader;
use crate::scenario::{SCENARIOS, Scenario};
use crate::server::Kind;

/// What to run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// On whom.
    pub servers: Vec<Kind>,
    /// The cases, in order.
    pub cases: Vec<Case>,
    /// What else is looked at, in order.
    pub scenarios: Vec<Scenario>,
    /// The readers, in order; the first is what ratios are to.
    pub readers: Vec<Reader>,
    /// How often each reader reads each topic.
    pub passes: usize,
    /// A tenth of everything: to see whether it works, not for numbers.
    pub is_quick: bool,
}

/// How a plan is written.
pub const USAGE: &str = "cargo xtask bench [--quick] [--server limit|kafka] [--passes 5] [--cases 100B-none,latency,...] \
    [--peers rskafka,java,...|all]";

impl Plan {
    /// Reads the plan off a command line; everything, if it says nothing.
    ///
    /// # Errors
    /// It says something else.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut plan = Self {
            servers: vec![Kind::Limit, Kind::Kafka],
            cases: CASES.to_vec(),
            scenarios: SCENARIOS.to_vec(),
            readers: Reader::usual(),
            passes: 5,
            is_quick: false,
        };
        let mut passes = None;
        while let Some(name) = args.next() {
            if name == "--quick" {
                plan.is_quick = true;
                continue;
            }
            let value = args.next().ok_or_else(|| Error::new(format!("{name} needs a value\n{USAGE}")))?;
            match name.as_str() {
                "--passes" => {
                    passes = Some(value.parse().map_err(|error| Error::new(format!("--passes: {error}")))?)
                }
                "--cases" => {
                    let is_picked = |name: &str| value.split(',').any(|wanted| name.starts_with(wanted));
                    plan.cases.retain(|case| is_picked(case.name));
                    plan.scenarios.retain(|scenario| is_picked(scenario.name));
                }
                "--peers" => plan.readers = Reader::picked(&value)?,
                "--server" => plan.servers.retain(|kind| kind.name() == value),
                _ => return Err(Error::new(format!("unknown option {name}\n{USAGE}"))),
            }
        }
        if plan.is_quick {
            plan.cases = plan.cases.into_iter().map(Case::quick).collect();
            plan.passes = 1;
        }
        plan.passes = passes.unwrap_or(plan.passes);
        if plan.cases.is_empty() && plan.scenarios.is_empty() || plan.servers.is_empty() || plan.passes == 0 {
            return Err(Error::new(format!("nothing to run: no case, no server, or no pass\n{USAGE}")));
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan> {
        Plan::from_args(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn a_plan_picks_by_the_beginning_of_a_name() {
        let plan = plan("--cases 1KiB,100B-lz4,lat --peers java --passes 2 --quick --server kafka").unwrap();
        let cases: Vec<_> = plan.cases.iter().map(|case| (case.name, case.records)).collect();
        let wanted =
            [("100B-lz4", 1_200_000), ("1KiB-none", 200_000), ("1KiB-lz4", 200_000), ("1KiB-zstd", 150_000)];
        assert_eq!(cases, wanted);
        assert_eq!(plan.scenarios.iter().map(|scenario| scenario.name).collect::<Vec<_>>(), ["latency"]);
        let readers: Vec<_> = plan.readers.iter().map(|reader| reader.name).collect();
        assert_eq!(readers, ["milena batches", "java"]);
        assert_eq!((plan.passes, plan.servers), (2, vec![Kind::Kafka]));
    }

    #[test]
    fn a_plan_of_nothing_is_an_error() {
        assert!(plan("--cases 7KiB").is_err());
        assert!(plan("--peers fortran").is_err());
        assert!(plan("--server rabbit").is_err());
        assert!(plan("--passes").is_err());
    }
}
