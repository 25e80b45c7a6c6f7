//! Fetching from one broker: what to ask, in which session, and what an answer means.
//!
//! [`plan()`] says which partitions go into the next request, [`Session`] says what of that the broker does not know yet
//! (KIP-227) and which answer belongs to what was asked, and [`judge`] says what the answer for one partition means.
//! [`Reach`] says how much is to be asked for at a time where answers are long in coming.

mod answer;
mod plan;
mod reach;
mod replica;
mod session;

pub use answer::{Fetched, LogEnds, Malformed, PartitionOutcome, judge};
pub use plan::{Candidate, FetchPlan, PlanLimits, Wait, partition_share, plan};
pub use reach::Reach;
pub use replica::ReplicaChoice;
pub use session::{Answer, AnsweredPartition, FetchLimits, FetchStamp, Session, SessionError, Want};
