//! Response decoders: every API in every version.
//!
//! The first byte says which API and version, the rest is the body. What must hold beside the bounds: an answer that was
//! read is refused with a byte more and with a byte less.

use std::fmt::Debug;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::cluster::{Asked, ClusterView};
use proto::connection::throttle_time_ms;
use proto::types::{LeaderEpoch, TopicId};
use proto::wire::*;

use crate::oracle::{bound, within};

type Check = fn(i16, &Bytes);

/// What the cursor allows lists of tiny elements on top of eight times the answer (`BLOAT_SLACK` of `wire/cursor.rs`): with less,
/// honest answers about many groups with short names would be refused.
const LISTS_SLACK: usize = 1 << 20;

/// One way to read a body.
type Way = (ApiKey, i16, Check);

/// The ways to read the answers to `R`.
pub(crate) fn ways<R: Request<Response: PartialEq + Debug>>(out: &mut Vec<Way>) {
    out.extend(R::VERSIONS.map(|version| (R::API, version, read::<R> as Check)));
}

fn read<R: Request<Response: PartialEq + Debug>>(version: i16, body: &Bytes) {
    let len = body.len();
    let what = R::API.name();
    let memory = bound(len) + LISTS_SLACK;
    let Ok(answer) = within(what, memory, || R::Response::decode(version, body.clone())) else { return };
    // KIP-511: what is no version 3 may be version 0.
    if R::API == ApiKey::API_VERSIONS {
        return;
    }
    if let Some(shorter) = len.checked_sub(1) {
        let result = R::Response::decode(version, body.slice(..shorter));
        assert!(result.is_err(), "{what} {version} ends early, and is read: {answer:?}");
    }
    let longer = [body, &[0][..]].concat().into();
    let result = R::Response::decode(version, longer);
    assert!(matches!(result, Err(DecodeError::TrailingBytes { .. })), "{what} {version}: {result:?}");
}

fn with(input: &[u8], ways: &'static [Way]) -> Option<(i16, Bytes)> {
    let (first, body) = input.split_first()?;
    let (api, version, check) = ways[usize::from(*first) % ways.len()];
    let body = Bytes::copy_from_slice(body);
    check(version, &body);
    throttle_time_ms(api, version, &body);
    Some((version, body))
}

macro_rules! family {
    ($family:ident: $($request:ty),*) => {
        pub(crate) fn $family() -> &'static [Way] {
            static WAYS: OnceLock<Vec<Way>> = OnceLock::new();
            WAYS.get_or_init(|| {
                let mut all = Vec::new();
                $(ways::<$request>(&mut all);)*
                assert!(all.len() <= 256, "the first byte chooses");
                all
            })
        }
    };
}

family!(fetch_ways: FetchRequest);
family!(produce_ways: ProduceRequest, InitProducerIdRequest);
family!(metadata_ways: MetadataRequest, ApiVersionsRequest, FindCoordinatorRequest);
family!(offsets_ways: ListOffsetsRequest, OffsetForLeaderEpochRequest, OffsetCommitRequest, OffsetFetchRequest);
family!(
    group_ways: JoinGroupRequest, SyncGroupRequest, HeartbeatRequest, LeaveGroupRequest, ConsumerGroupHeartbeatRequest
);
family!(
    admin_ways: DescribeGroupsRequest,
    ListGroupsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    ConsumerGroupDescribeRequest
);

/// The families, by the names of their targets: to find the one an API belongs to.
pub(crate) fn families() -> [(&'static str, &'static [Way]); 6] {
    [
        ("fetch_response", fetch_ways()),
        ("produce_response", produce_ways()),
        ("metadata_response", metadata_ways()),
        ("offsets_response", offsets_ways()),
        ("group_response", group_ways()),
        ("admin_response", admin_ways()),
    ]
}

pub(super) fn fetch(input: &[u8]) {
    with(input, fetch_ways());
}

pub(super) fn produce(input: &[u8]) {
    with(input, produce_ways());
}

pub(super) fn offsets(input: &[u8]) {
    with(input, offsets_ways());
}

pub(super) fn group(input: &[u8]) {
    with(input, group_ways());
}

pub(super) fn admin(input: &[u8]) {
    with(input, admin_ways());
}

/// Metadata goes on into the view of the cluster, where a leader epoch must never go back while the topic's id stays.
pub(super) fn metadata(input: &[u8]) {
    let Some((version, body)) = with(input, metadata_ways()) else { return };
    let Ok(answer) = MetadataResponse::decode(version.clamp(1, 13), body) else { return };
    let mut view = ClusterView::new();
    let mut before: Vec<(TopicId, i32, Option<LeaderEpoch>)> = Vec::new();
    let start = Instant::now();
    for turn in 0..3 {
        // The same answer again, and one that has lost its first topic.
        let mut answer = answer.clone();
        if turn == 1 && !answer.topics.is_empty() {
            answer.topics.remove(0);
        }
        let _ = view.handle_metadata(start + Duration::from_secs(turn), &answer, &Asked::All);
        let epochs = |view: &ClusterView| -> Vec<_> {
            let topics = view.topics().map(|(_, topic)| topic);
            topics.flat_map(|topic| topic.partitions().map(|(n, p)| (topic.id, n, p.leader_epoch))).collect()
        };
        let after = epochs(&view);
        for (id, number, epoch) in &before {
            let now = after.iter().find(|(after_id, n, _)| after_id == id && n == number && !id.is_zero());
            assert!(now.is_none_or(|(.., now)| now >= epoch), "the leader epoch of {id} {number} went back");
        }
        before = after;
    }
}
