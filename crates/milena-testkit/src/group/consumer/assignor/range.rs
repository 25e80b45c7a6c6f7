//! `range`: of each topic, every subscriber gets one run of partitions, and of two topics of the same size the same run.

use std::collections::BTreeMap;

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::super::Target;
use super::Candidate;

/// Kafka: `RangeAssignor`. Static members come first, by instance id, so that a new member id moves nothing.
pub(crate) fn range(members: &[Candidate], sizes: &BTreeMap<Uuid, i32>) -> BTreeMap<StrBytes, Target> {
    let mut order: Vec<&Candidate> = members.iter().collect();
    order.sort_by(|a, b| match (&a.instance, &b.instance) {
        (Some(a), Some(b)) => a.cmp(b),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => a.id.cmp(&b.id),
    });
    let mut assigned: BTreeMap<StrBytes, Target> =
        members.iter().map(|member| (member.id.clone(), Target::new())).collect();
    for (topic, &partitions) in sizes {
        let subscribers: Vec<&&Candidate> =
            order.iter().filter(|member| member.topics.contains(topic)).collect();
        let Ok(count) = i32::try_from(subscribers.len()) else { continue };
        if count == 0 {
            continue;
        }
        let (each, extra) = (partitions / count, partitions % count);
        let mut next = 0;
        for (at, member) in (0..count).zip(subscribers) {
            let take = each + i32::from(at < extra);
            if let Some(target) = assigned.get_mut(&member.id) {
                target.extend((next..next + take).map(|partition| (*topic, partition)));
            }
            next += take;
        }
    }
    assigned
}
