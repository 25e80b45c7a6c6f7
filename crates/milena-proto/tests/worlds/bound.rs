//! How small a small world is.

use milena_proto::group::AssignorKind;

/// What may happen in a world, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) name: &'static str,
    pub(crate) assignor: AssignorKind,
    /// How many records each partition has.
    pub(crate) records: [i64; 2],
    /// Whether they are read as soon as they may be; otherwise at any time.
    pub(crate) reads_ahead: bool,
    /// Rebalances after the one in which the first member gets everything.
    pub(crate) rebalances: i32,
    /// Requests or answers lost.
    pub(crate) losses: u8,
    /// Answers that come late.
    pub(crate) late: u8,
    /// Answers that come twice.
    pub(crate) repeats: u8,
    /// Members that the coordinator gives up, and rebalances that it does not wait out.
    pub(crate) expirations: u8,
    /// Drains that are cut short.
    pub(crate) deadlines: u8,
    /// Offers of less than what was offered before.
    pub(crate) lowers: u8,
    /// Members that leave.
    pub(crate) leaves: u8,
}
