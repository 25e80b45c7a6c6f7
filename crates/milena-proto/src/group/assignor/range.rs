//! `RangeAssignor`: topic by topic, consecutive partitions to members in the order of their instance or member ids.

use std::cmp::Ordering;

use super::{Member, java, wanted_topics};
use crate::types::{TopicName, TopicPartition};

/// Assigns; one list for each member, in their order.
pub(super) fn assign(topics: &[(TopicName, i32)], members: &[&Member]) -> Vec<Vec<TopicPartition>> {
    let mut assigned = vec![Vec::new(); members.len()];
    let wanted = wanted_topics(members);
    let mut sorted: Vec<usize> = (0..members.len()).collect();
    sorted.sort_by(|left, right| compare(members[*left], members[*right]));
    for (topic, count) in topics {
        let takers: Vec<usize> =
            sorted.iter().copied().filter(|member| wanted[*member].contains(topic)).collect();
        let Ok(number) = i32::try_from(takers.len()) else { continue };
        if number == 0 {
            continue;
        }
        let (each, with_one_more) = (count / number, count % number);
        let mut next = 0;
        for (place, taker) in (0..number).zip(takers) {
            let end = next + each + i32::from(place < with_one_more);
            assigned[taker]
                .extend((next..end).map(|partition| TopicPartition::new(topic.clone(), partition)));
            next = end;
        }
    }
    assigned
}

/// `AbstractPartitionAssignor.MemberInfo.compareTo`: static members first, by instance id, which outlives member ids.
pub(super) fn compare(left: &Member, right: &Member) -> Ordering {
    match (&left.group_instance_id, &right.group_instance_id) {
        (Some(left), Some(right)) => java::compare(left, right),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => java::compare(&left.member_id, &right.member_id),
    }
}
