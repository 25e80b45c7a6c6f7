//! Answers that are well formed and false.

mod batches;
mod fetch;
mod group;
mod others;

use std::sync::Arc;

use testkit::{ApiKey, ResponseKind};

use crate::case::{Case, Lie};
use crate::table::liar;

pub(super) fn all() -> Vec<Case> {
    let mut cases = batches::all();
    cases.extend(fetch::all());
    cases.extend(group::all());
    cases.extend(others::all());
    cases
}

/// A lie in an answer to `api`. `must_tell` unless it may be taken for the truth.
fn case(
    api: ApiKey,
    name: &str,
    must_tell: bool,
    alter: impl Fn(&mut ResponseKind) + Send + Sync + 'static,
) -> Case {
    let name = format!("{api:?}: {name}");
    Case { name, api, broker: liar(api), lie: Lie::Answer(Arc::new(alter)), must_tell }
}
