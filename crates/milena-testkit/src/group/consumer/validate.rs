//! Who may commit and fetch offsets in a consumer group.

use super::super::offsets::{Committing, PartitionRef};
use super::{ConsumerGroup, Member};
use crate::error_code::ErrorCode;

/// A request turned down, with the words that the broker finds for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(code: ErrorCode, message: String) -> Self {
        Self { code, message }
    }
}

impl ConsumerGroup {
    /// Kafka: `ConsumerGroup.validateOffsetCommit`. `Ok(Some(member))`: its epoch is older, so each partition is to be
    /// checked with [`Self::validate_partition`].
    ///
    /// The current epoch may commit any partition, whoever has it; a real 4.3.1 takes that too.
    pub(crate) fn validate_commit(
        &self,
        commit: &Committing<'_>,
        assignment_epochs: bool,
    ) -> Result<Option<&Member>, ErrorCode> {
        if commit.generation < 0 && self.is_empty() {
            return Ok(None);
        }
        // TxnOffsetCommit need not name a member; where it does not, there is nothing to check.
        if commit.transactional
            && commit.generation == -1
            && commit.member.is_empty()
            && commit.instance.is_none()
        {
            return Ok(None);
        }
        let member = self
            .members
            .values()
            .find(|member| member.id.as_str() == commit.member)
            .ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        if !commit.transactional && member.classic.is_none() && commit.version < 9 {
            return Err(ErrorCode::UNSUPPORTED_VERSION);
        }
        if commit.generation == member.epoch {
            return Ok(None);
        }
        // KIP-1251: an older epoch is good for what the member already had then; a classic member's generation, too.
        if assignment_epochs && commit.generation < member.epoch {
            return Ok(Some(member));
        }
        Err(stale(member))
    }

    /// KIP-1251: whether the member had the partition at the epoch that it names.
    pub(crate) fn validate_partition(
        member: &Member,
        epoch: i32,
        partition: PartitionRef,
    ) -> Result<(), ErrorCode> {
        let key = (partition.topic_id, partition.index);
        let since = member.assigned.get(&key).or_else(|| member.revoking.get(&key));
        match since {
            Some(since) if epoch >= *since => Ok(()),
            _ => Err(stale(member)),
        }
    }

    /// Kafka: `ConsumerGroup.validateOffsetFetch`. Not softened by KIP-1251.
    pub(crate) fn validate_fetch(&self, member_id: Option<&str>, epoch: i32) -> Result<(), ErrorCode> {
        let Some(id) = member_id else {
            // An epoch without a member is a NullPointerException of Java's, and reaches the client as this.
            return if epoch < 0 { Ok(()) } else { Err(ErrorCode::UNKNOWN_SERVER_ERROR) };
        };
        let member = self
            .members
            .values()
            .find(|member| member.id.as_str() == id)
            .ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        if member.epoch == epoch { Ok(()) } else { Err(stale(member)) }
    }
}

/// The word for an epoch that does not fit, in the member's own protocol.
fn stale(member: &Member) -> ErrorCode {
    if member.classic.is_some() { ErrorCode::ILLEGAL_GENERATION } else { ErrorCode::STALE_MEMBER_EPOCH }
}
