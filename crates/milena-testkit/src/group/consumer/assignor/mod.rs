//! The broker's assignors: `uniform` and `range`.

mod range;
#[cfg(test)]
mod tests;
mod uniform;

use std::collections::BTreeSet;

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub(crate) use self::range::range;
pub(crate) use self::uniform::uniform;
use super::Target;

/// The names that a member may ask for.
pub(crate) const NAMES: [&str; 2] = ["uniform", "range"];

/// A member, as an assignor sees it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) id: StrBytes,
    pub(crate) instance: Option<StrBytes>,
    pub(crate) topics: BTreeSet<Uuid>,
    pub(crate) current: Target,
}
