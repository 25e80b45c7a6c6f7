//! `RoundRobinAssignor`: all partitions in order, dealt out to members in turn.

use super::{Member, java, range, wanted_topics};
use crate::types::{TopicName, TopicPartition};

/// Assigns; one list for each member, in their order.
pub(super) fn assign(topics: &[(TopicName, i32)], members: &[&Member]) -> Vec<Vec<TopicPartition>> {
    let mut assigned = vec![Vec::new(); members.len()];
    let wanted = wanted_topics(members);
    let mut turns: Vec<usize> = (0..members.len()).collect();
    turns.sort_by(|left, right| range::compare(members[*left], members[*right]));
    let mut topics: Vec<_> = topics.iter().collect();
    topics.sort_by(|(left, _), (right, _)| java::compare(left, right));
    let mut next = 0;
    for (topic, count) in topics {
        for partition in 0..*count {
            // A member that does not subscribe to the topic loses its turn. At most one round: each topic here has a
            // subscriber.
            let taker = (0..turns.len())
                .map(|skipped| (next + skipped) % turns.len())
                .find(|turn| wanted[turns[*turn]].contains(topic));
            let Some(taker) = taker else { break };
            assigned[turns[taker]].push(TopicPartition::new(topic.clone(), partition));
            next = taker + 1;
        }
    }
    assigned
}
