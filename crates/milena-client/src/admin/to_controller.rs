//! Calls that the controller answers.

use std::time::Duration;

use proto::wire::{ErrorCode, Request};

use crate::client::Client;
use crate::error::{Error, Result};

impl Client {
    /// Calls the controller, until it answers without a retriable error or the request timeout has passed. In KRaft mode
    /// the cluster names any broker, which passes the call on.
    pub(crate) async fn call_controller<R: Request, T>(
        &self,
        request: &R,
        read: impl Fn(R::Response) -> Result<T>,
    ) -> Result<T> {
        self.retrying(|| async {
            let answer = match self.metadata().view(|view| view.controller()) {
                Some(controller) => self.call_broker(controller, request).await,
                None => self.call_any(request).await,
            };
            let outcome = answer.and_then(&read);
            if outcome.as_ref().is_err_and(Error::is_retriable) {
                // It may be another one by now.
                self.metadata().refresh_soon();
            }
            outcome
        })
        .await
    }
}

/// An error that says nothing about a topic, only that somebody else is to be asked.
pub(super) fn is_elsewhere(error: ErrorCode) -> bool {
    error == ErrorCode::NOT_CONTROLLER
}

/// A topic's error in an answer.
pub(super) fn refusal(error: ErrorCode, message: Option<String>, topic: &str) -> Error {
    in_words(Error::broker(error).topic(topic), message)
}

/// In the broker's own words where it has any; some answer with empty ones.
pub(super) fn in_words(error: Error, message: Option<String>) -> Error {
    match message.filter(|message| !message.is_empty()) {
        Some(message) => error.message(message),
        None => error,
    }
}

/// A timeout as the wire has it.
pub(super) fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}
