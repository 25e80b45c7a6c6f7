//! Finding the group's coordinator, and finding it again.

use std::time::Instant;

use crate::backoff::Backoff;
use crate::types::RequestId;
use crate::wire::{Coordinator, ErrorCode};

/// What is known of the group's coordinator.
#[derive(Debug)]
pub(super) struct Search {
    state: State,
    backoff: Backoff,
}

#[derive(Debug)]
enum State {
    Unknown { not_before: Option<Instant> },
    Asked { id: RequestId },
    Found(Coordinator),
}

impl Search {
    pub(super) fn new(backoff: Backoff) -> Self {
        Self { state: State::Unknown { not_before: None }, backoff }
    }

    pub(super) fn found(&self) -> Option<&Coordinator> {
        match &self.state {
            State::Found(coordinator) => Some(coordinator),
            State::Unknown { .. } | State::Asked { .. } => None,
        }
    }

    /// Whether FindCoordinator is to be sent.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(&self.state, State::Unknown { not_before } if not_before.is_none_or(|instant| instant <= now))
    }

    /// When FindCoordinator is to be sent, if it waits for time to pass.
    pub(super) fn due_at(&self) -> Option<Instant> {
        match &self.state {
            State::Unknown { not_before } => *not_before,
            State::Asked { .. } | State::Found(_) => None,
        }
    }

    pub(super) fn asked(&mut self, id: RequestId) {
        self.state = State::Asked { id };
    }

    pub(super) fn awaits(&self, id: RequestId) -> bool {
        matches!(&self.state, State::Asked { id: asked } if *asked == id)
    }

    /// A coordinator that is found proves nothing yet: only its own answer ends the back-off
    /// ([`answered`](Self::answered)). While a dead broker is still named, this keeps the tries apart.
    pub(super) fn find(&mut self, coordinator: Coordinator) {
        self.state = State::Found(coordinator);
    }

    pub(super) fn answered(&mut self) {
        self.backoff.reset();
    }

    /// Looks for it (again) after a pause.
    pub(super) fn lose(&mut self, now: Instant) {
        self.state = State::Unknown { not_before: now.checked_add(self.backoff.next_delay()) };
    }
}

/// The coordinator is another broker, or none at the moment.
pub(super) fn is_another_coordinator(error: ErrorCode) -> bool {
    matches!(error, ErrorCode::NOT_COORDINATOR | ErrorCode::COORDINATOR_NOT_AVAILABLE)
}

/// Worth another try after a pause. UNKNOWN_SERVER_ERROR is what a broker says that stumbled.
pub(super) fn is_temporary(error: ErrorCode) -> bool {
    error.is_retriable() || error == ErrorCode::UNKNOWN_SERVER_ERROR
}
