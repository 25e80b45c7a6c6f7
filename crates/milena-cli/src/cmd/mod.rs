//! What the commands do, a file for each.

pub(crate) mod consume;
pub(crate) mod dump;
