//! What the commands do, a file for each.

pub(crate) mod consume;
pub(crate) mod dump;
pub(crate) mod groups;
pub(crate) mod produce;
pub(crate) mod topics;
pub(crate) mod verifiable;
