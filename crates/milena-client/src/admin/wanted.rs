//! Interest in topics for as long as somebody waits for them.

use std::collections::BTreeSet;

use proto::types::TopicName;

use crate::metadata::{Interest, Metadata};

/// Keeps topics among those that metadata is asked for, until it is dropped: with the future that holds it, too.
pub(crate) struct Wanted<'a> {
    metadata: &'a Metadata,
    interest: Interest,
}

impl<'a> Wanted<'a> {
    pub(crate) fn new(metadata: &'a Metadata, topics: BTreeSet<TopicName>) -> Self {
        let interest = metadata.interest();
        metadata.want(&interest, topics);
        Self { metadata, interest }
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.metadata.want(&self.interest, BTreeSet::new());
    }
}
