//! Apache Kafka's own system tests of consumers (`tests/kafkatest`), ported: real brokers as processes on loopback, and
//! Milena's verifiable clients, or Java's as the control.
//!
//! ```text
//! cargo test -p milena-tests --release --test kafkatest                                one scenario of each kind
//! cargo test -p milena-tests --release --test kafkatest -- --all                       everything, with Milena
//! cargo test -p milena-tests --release --test kafkatest -- --all --subject java        the control
//! cargo test -p milena-tests --release --test kafkatest -- --times 5 --only fencing    some, five times in a row
//! ```
//!
//! `--only TEXT` (again for more, or plain arguments): scenarios whose names have one of these in them. `--list` names them.
//! `--bounces N`: how often things are bounced, 5 in kafkatest, 2 here. `--stop`: end at the first failure.
//!
//! One file for each class of kafkatest. The criteria are kafkatest's; every time limit is a guard against hanging (two
//! minutes). What is smaller than there: bounces, and records where a count is waited for (as named in the files). Classic
//! members send heartbeats twice a second, so that a rebalance does not wait 3 s for them. Clusters are shared by the
//! scenarios of one shape; each scenario has a topic and a group of its own.

mod assignment_validation;
mod offset_validation;
mod options;
mod protocol_migration;
mod replica_failure;
mod replication;
mod rolling_upgrade;
mod runner;
mod truncation;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match options::Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("kafkatest: {error}");
            return ExitCode::from(2);
        }
    };
    let scenarios = [
        assignment_validation::scenarios(),
        offset_validation::scenarios(),
        rolling_upgrade::scenarios(),
        protocol_migration::scenarios(),
        truncation::scenarios(),
        replication::scenarios(),
        replica_failure::scenarios(),
    ];
    runner::run(&options, scenarios.into_iter().flatten().collect())
}
