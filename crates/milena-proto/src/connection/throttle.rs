//! What an answer says of holding back (KIP-219), read without reading the answer.

use bytes::Bytes;

use crate::wire::{ApiKey, split_response};

/// Milliseconds that the broker asks its client to hold back, by an answer to `api` in `version`; 0 where it does not, where
/// the version is one that a broker held back itself before it answered, and for APIs whose callers look for themselves
/// (Produce, Fetch). `frame` is what follows the length.
///
/// Who reads answers and who owns the connection are not the same, and the latter must know before the next request leaves.
pub fn throttle_time_ms(api: ApiKey, version: i16, frame: &Bytes) -> i32 {
    if first_throttled(api).is_none_or(|first| version < first) {
        return 0;
    }
    match split_response(api, version, frame.clone()) {
        Ok((_, body)) => body.first_chunk().map_or(0, |ms| i32::from_be_bytes(*ms)),
        // Whoever reads the answer will see that it is none.
        Err(_) => 0,
    }
}

/// The first version after whose answers the broker mutes the connection, and not before (Java's `shouldClientThrottle`). All of
/// these say so in their first field.
fn first_throttled(api: ApiKey) -> Option<i16> {
    Some(match api {
        ApiKey::LIST_OFFSETS => 3,
        ApiKey::METADATA => 6,
        ApiKey::OFFSET_COMMIT => 4,
        ApiKey::OFFSET_FETCH => 4,
        ApiKey::FIND_COORDINATOR => 2,
        ApiKey::JOIN_GROUP => 3,
        ApiKey::HEARTBEAT => 2,
        ApiKey::LEAVE_GROUP => 2,
        ApiKey::SYNC_GROUP => 2,
        ApiKey::DESCRIBE_GROUPS => 2,
        ApiKey::LIST_GROUPS => 2,
        ApiKey::CREATE_TOPICS => 3,
        ApiKey::DELETE_TOPICS => 2,
        ApiKey::INIT_PRODUCER_ID => 1,
        ApiKey::OFFSET_FOR_LEADER_EPOCH => 2,
        ApiKey::CONSUMER_GROUP_HEARTBEAT | ApiKey::CONSUMER_GROUP_DESCRIBE => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use kafka_protocol::messages as kp;
    use kafka_protocol::protocol::{Encodable, HeaderVersion};

    use super::*;

    /// Says in which versions the time is read.
    macro_rules! versions {
        ($api:expr, $response:ident, $versions:expr) => {{
            let mut read = Vec::new();
            for version in $versions {
                let mut frame = BytesMut::new();
                frame.put_i32(7);
                if kp::$response::header_version(version) >= 1 {
                    frame.put_u8(0);
                }
                let answer = kp::$response::default().with_throttle_time_ms(0x0123_4567);
                answer.encode(&mut frame, version).unwrap();
                match throttle_time_ms($api, version, &frame.freeze()) {
                    0x0123_4567 => read.push(version),
                    0 => {}
                    other => panic!("{} {version}: {other:#x}", $api),
                }
            }
            read
        }};
    }

    #[test]
    fn the_time_is_found_in_every_version_that_mutes_the_connection() {
        let up_to = |first: i16, last: i16| (first..=last).collect::<Vec<_>>();
        assert_eq!(versions!(ApiKey::LIST_OFFSETS, ListOffsetsResponse, 2..=10), up_to(3, 10));
        assert_eq!(versions!(ApiKey::METADATA, MetadataResponse, 3..=13), up_to(6, 13));
        assert_eq!(versions!(ApiKey::OFFSET_COMMIT, OffsetCommitResponse, 3..=9), up_to(4, 9));
        assert_eq!(versions!(ApiKey::OFFSET_FETCH, OffsetFetchResponse, 3..=9), up_to(4, 9));
        assert_eq!(versions!(ApiKey::FIND_COORDINATOR, FindCoordinatorResponse, 1..=6), up_to(2, 6));
        assert_eq!(versions!(ApiKey::JOIN_GROUP, JoinGroupResponse, 2..=9), up_to(3, 9));
        assert_eq!(versions!(ApiKey::HEARTBEAT, HeartbeatResponse, 1..=4), up_to(2, 4));
        assert_eq!(versions!(ApiKey::LEAVE_GROUP, LeaveGroupResponse, 1..=5), up_to(2, 5));
        assert_eq!(versions!(ApiKey::SYNC_GROUP, SyncGroupResponse, 1..=5), up_to(2, 5));
        assert_eq!(versions!(ApiKey::DESCRIBE_GROUPS, DescribeGroupsResponse, 1..=5), up_to(2, 5));
        assert_eq!(versions!(ApiKey::LIST_GROUPS, ListGroupsResponse, 1..=5), up_to(2, 5));
        assert_eq!(versions!(ApiKey::CREATE_TOPICS, CreateTopicsResponse, 2..=7), up_to(3, 7));
        assert_eq!(versions!(ApiKey::DELETE_TOPICS, DeleteTopicsResponse, 1..=6), up_to(2, 6));
        assert_eq!(versions!(ApiKey::INIT_PRODUCER_ID, InitProducerIdResponse, 0..=5), up_to(1, 5));
        let ends = versions!(ApiKey::OFFSET_FOR_LEADER_EPOCH, OffsetForLeaderEpochResponse, 2..=4);
        assert_eq!(ends, up_to(2, 4));
        let beats = versions!(ApiKey::CONSUMER_GROUP_HEARTBEAT, ConsumerGroupHeartbeatResponse, 0..=1);
        assert_eq!(beats, up_to(0, 1));
    }

    #[test]
    fn what_is_too_short_asks_for_nothing() {
        for len in 0..8 {
            let frame = Bytes::from(vec![1; len]);
            assert_eq!(throttle_time_ms(ApiKey::HEARTBEAT, 3, &frame), 0);
            assert_eq!(throttle_time_ms(ApiKey::HEARTBEAT, 4, &frame), 0);
        }
        assert_eq!(throttle_time_ms(ApiKey(9999), 3, &Bytes::from(vec![1; 99])), 0);
    }
}
