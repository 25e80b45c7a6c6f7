//! Deleting topics.

use std::collections::BTreeMap;

use proto::wire::{DeleteTopicsRequest, DeleteTopicsResponse, DeletedTopic};

use super::to_controller::{is_elsewhere, millis, refusal};
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};

impl Client {
    /// Deletes topics, with all their records; says of each in turn what became of it. Brokers may still tell of them for
    /// a moment.
    ///
    /// # Errors
    /// No controller took the request in time. After a lost answer the topics may be gone all the same; an
    /// UNKNOWN_TOPIC_OR_PARTITION of one topic may then be this call's own doing.
    ///
    /// # Cancel safety
    /// The topics may be deleted all the same.
    pub async fn delete_topics<S: Into<String>>(
        &self,
        topics: impl IntoIterator<Item = S>,
    ) -> Result<Vec<(String, Result<()>)>> {
        let names: Vec<String> = topics.into_iter().map(Into::into).collect();
        let timeout_ms = millis(self.config().request_timeout());
        let request = DeleteTopicsRequest { names: names.clone(), timeout_ms };
        let mut answers =
            self.call_controller(&request, by_name).await.map_err(|error| error.doing("deleting topics"))?;
        let outcome = |name: String| {
            let outcome = match answers.remove(&name) {
                Some(DeletedTopic { error, .. }) if error.is_ok() => Ok(()),
                Some(DeletedTopic { error, error_message, .. }) => Err(refusal(error, error_message, &name)),
                None => {
                    Err(Error::new(ErrorKind::Malformed).topic(&name).message("the answer leaves it out"))
                }
            };
            (name, outcome.map_err(|error| error.doing("deleting a topic")))
        };
        Ok(names.into_iter().map(outcome).collect())
    }
}

fn by_name(answer: DeleteTopicsResponse) -> Result<BTreeMap<String, DeletedTopic>> {
    match answer.topics.iter().find(|topic| is_elsewhere(topic.error)) {
        Some(topic) => Err(Error::broker(topic.error)),
        None => {
            let named = |topic: DeletedTopic| Some((topic.name.clone()?, topic));
            Ok(answer.topics.into_iter().filter_map(named).collect())
        }
    }
}
