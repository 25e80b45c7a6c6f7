//! Who is in a group, and who reads what.

use proto::group::consumer_protocol::{Assignment, PROTOCOL_TYPE, Subscription};
use proto::types::{TopicName, TopicPartition};
use proto::wire::{
    ConsumerGroupDescribeRequest, DescribeGroupsRequest, DescribedConsumer, DescribedConsumerGroup,
    DescribedGroup, DescribedMember, DescribedPartitions, ErrorCode,
};

use super::to_controller::in_words;
use crate::client::Client;
use crate::error::{Error, ErrorKind, Result};

/// A group.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct GroupDescription {
    /// Its id.
    pub group: String,
    /// `Empty`, `PreparingRebalance`, `CompletingRebalance` or `Stable`; in the consumer protocol `Empty`, `Assigning`,
    /// `Reconciling` or `Stable`.
    pub state: String,
    /// `consumer` for consumers.
    pub protocol_type: String,
    /// The assignor that its members agreed on, or that the coordinator uses; empty while there is none.
    pub protocol: String,
    /// Its members, in the coordinator's order.
    pub members: Vec<MemberDescription>,
}

/// A member of a group.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct MemberDescription {
    /// Its id.
    pub member_id: String,
    /// Its `group.instance.id`, if it is a static member.
    pub group_instance_id: Option<String>,
    /// Its `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// The topics it subscribes to. `None` while the group rebalances, when its coordinator shows none, and in groups that
    /// are not of consumers.
    pub subscription: Option<Vec<TopicName>>,
    /// The partitions it reads; `None` as above. In the consumer protocol with those that it is still giving up.
    pub assignment: Option<Vec<TopicPartition>>,
}

impl Client {
    /// Describes a group, whichever protocol it speaks.
    ///
    /// # Errors
    /// GROUP_ID_NOT_FOUND if there is no such group; or its coordinator did not answer in time.
    ///
    /// # Cancel safety
    /// Only reads.
    pub async fn describe_group(&self, group: &str) -> Result<GroupDescription> {
        let error = match self.describe_classic_group(group).await {
            Ok(described) => return Ok(described),
            Err(error) => error,
        };
        if error.code() != Some(ErrorCode::GROUP_ID_NOT_FOUND) {
            return Err(error);
        }
        // To a broker, a group of the consumer protocol is none to this call. Where there is no other, there is no such group.
        self.describe_consumer_group(group).await.or(Err(error))
    }

    async fn describe_consumer_group(&self, group: &str) -> Result<GroupDescription> {
        let request = ConsumerGroupDescribeRequest { groups: vec![group.to_owned()] };
        let described = self.call_coordinator(group, &request, |answer| {
            let found = answer.groups.into_iter().find(|described| described.group_id == group);
            let missing = || Error::new(ErrorKind::Malformed).message("the answer leaves the group out");
            read_consumer_group(found.ok_or_else(missing)?)
        });
        described.await.map_err(|error| error.doing("describing a group"))
    }

    async fn describe_classic_group(&self, group: &str) -> Result<GroupDescription> {
        let request = DescribeGroupsRequest { groups: vec![group.to_owned()] };
        let described = self.call_coordinator(group, &request, |answer| {
            let found = answer.groups.into_iter().find(|described| described.group_id == group);
            let missing = || Error::new(ErrorKind::Malformed).message("the answer leaves the group out");
            read(found.ok_or_else(missing)?)
        });
        described.await.map_err(|error| error.doing("describing a group"))
    }
}

fn read_consumer_group(described: DescribedConsumerGroup) -> Result<GroupDescription> {
    if !described.error.is_ok() {
        return Err(in_words(Error::broker(described.error), described.error_message));
    }
    let partitions = |topic: DescribedPartitions| {
        let name = TopicName::from(topic.name.as_str());
        topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
    };
    let member = |member: DescribedConsumer| MemberDescription {
        member_id: member.member_id,
        group_instance_id: member.group_instance_id,
        client_id: member.client_id,
        client_host: member.client_host,
        subscription: Some(member.topics.iter().map(|topic| topic.as_str().into()).collect()),
        assignment: Some(member.assignment.into_iter().flat_map(partitions).collect()),
    };
    Ok(GroupDescription {
        group: described.group_id,
        state: described.state,
        protocol_type: PROTOCOL_TYPE.to_owned(),
        protocol: described.assignor,
        members: described.members.into_iter().map(member).collect(),
    })
}

fn read(described: DescribedGroup) -> Result<GroupDescription> {
    if !described.error.is_ok() {
        return Err(in_words(Error::broker(described.error), described.error_message));
    }
    // Before 4.0 (KIP-1043) a group that does not exist is one that is dead.
    if described.state == "Dead" {
        return Err(Error::broker(ErrorCode::GROUP_ID_NOT_FOUND));
    }
    let consumers = described.protocol_type == PROTOCOL_TYPE;
    Ok(GroupDescription {
        group: described.group_id,
        state: described.state,
        protocol_type: described.protocol_type,
        protocol: described.protocol,
        members: described.members.into_iter().map(|described| member(described, consumers)).collect(),
    })
}

fn member(member: DescribedMember, is_consumer: bool) -> MemberDescription {
    let DescribedMember { member_id, group_instance_id, client_id, client_host, metadata, assignment } =
        member;
    let unread = |error: &proto::wire::DecodeError| {
        tracing::warn!(target: "milena::client", %member_id, %error, "what a member says of itself cannot be read");
    };
    let subscription = (is_consumer && !metadata.is_empty())
        .then(|| Subscription::decode(metadata).inspect_err(unread).ok())
        .flatten();
    let assignment = (is_consumer && !assignment.is_empty())
        .then(|| Assignment::decode(assignment).inspect_err(unread).ok())
        .flatten();
    MemberDescription {
        group_instance_id,
        client_id,
        client_host,
        subscription: subscription.map(|subscription| subscription.topics),
        assignment: assignment.map(|assignment| assignment.partitions),
        member_id,
    }
}
