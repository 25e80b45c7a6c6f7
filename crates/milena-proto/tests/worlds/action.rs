//! What may happen next.

use crate::call::CallId;

/// One step of a walk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// A member subscribes for the first time.
    Start(usize),
    /// A member is closed: it gives everything up and leaves.
    Leave(usize),
    /// The application takes the next record of a partition.
    Read { member: usize, partition: usize },
    /// The application acknowledges a record that it got in this epoch of its member.
    Ack { member: usize, epoch: usize, offset: i64 },
    /// The member's shell looks at its trackers, those of ended epochs too, and sends what may be sent.
    Commit(usize),
    /// The shell offers an offset again that it offered before, and that is lower than what it offered since.
    OfferLower { member: usize, epoch: usize },
    /// The deadline of a drain passes: what was not acknowledged is not waited for ...
    StopDraining(usize),
    /// ... nor is the answer to the last commit.
    StopCommitting(usize),
    /// The machine itself has waited long enough for its shell.
    GiveUpDrain(usize),
    /// The coordinator gets a request. Its answer follows at once, or when it is no longer held back.
    Arrive(CallId),
    /// The coordinator gets a request, and the answer takes its time ...
    Delay(CallId),
    /// ... until here.
    Answer(CallId),
    /// The coordinator gets a request, and its answer comes twice: at once, and later.
    Repeat(CallId),
    /// The connection breaks before the request has arrived, ...
    LoseRequest(CallId),
    /// ... or behind it.
    LoseAnswer(CallId),
    /// The coordinator has not heard of this member for too long.
    Expire(usize),
    /// The coordinator goes on without those that did not rejoin.
    StopWaiting,
}
