//! `AbstractStickyAssignor`: balanced first, then as few moves as possible.

use bytes::BufMut;
use bytes::{Bytes, BytesMut};

use super::super::consumer_protocol::put_topics;
use super::{Member, java};
use crate::types::{Generation, TopicName, TopicPartition};

/// Where a member says what it had, and since when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Memory {
    /// In the assignor's user data: `StickyAssignor`, whose members own nothing any more when they rejoin.
    UserData,
    /// In the subscription: `CooperativeStickyAssignor`.
    Subscription,
}

pub(super) fn assign(
    topics: &[(TopicName, i32)],
    members: &[&Member],
    _memory: Memory,
) -> Vec<Vec<TopicPartition>> {
    super::range::assign(topics, members)
}

/// `StickyAssignor.subscriptionUserData`, version 1.
pub(super) fn user_data(generation: Generation, partitions: &[TopicPartition]) -> Bytes {
    let mut out = BytesMut::new();
    put_topics(&mut out, &java::group_by_topic(partitions));
    out.put_i32(generation.0);
    out.freeze()
}
