//! Answers: written by `kafka-protocol`, read by both, compared.

mod admin;
mod data;
mod groups;

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use milena_proto::wire::{DecodeError, Request, Response};
use proptest::prelude::*;

use crate::any::{Any, any};

/// One API's answer.
pub(crate) trait Answer: Request<Response: Clone + PartialEq + Debug> {
    /// `kafka-protocol`'s type of it.
    type Theirs: Encodable + Decodable;

    /// One that `version` can carry.
    fn random(version: i16, any: &mut Any) -> Self::Theirs;

    /// What is to be read.
    fn ours(version: i16, theirs: Self::Theirs) -> Self::Response;

    /// The version to ask `kafka-protocol` for, which does not know the newest of each API.
    fn their_version(version: i16) -> i16 {
        version
    }
}

/// A random answer's body.
pub(crate) fn body<A: Answer>(version: i16, any: &mut Any) -> Bytes {
    encode::<A>(version, &A::random(version, any))
}

pub(crate) fn encode<A: Answer>(version: i16, message: &A::Theirs) -> Bytes {
    let mut bytes = BytesMut::new();
    message.encode(&mut bytes, A::their_version(version)).expect("a message that its version can carry");
    bytes.freeze()
}

pub(crate) fn decode<A: Answer>(version: i16, body: Bytes) -> Result<A::Response, DecodeError> {
    A::Response::decode(version, body)
}

fn reads_the_same<A: Answer>(any: &Any) -> Result<(), TestCaseError> {
    for version in A::VERSIONS {
        let body = body::<A>(version, &mut any.clone());
        let theirs = A::Theirs::decode(&mut body.clone(), A::their_version(version)).unwrap();
        let ours = decode::<A>(version, body);
        prop_assert_eq!(ours, Ok(A::ours(version, theirs)), "{} {}", A::API, version);
    }
    Ok(())
}

/// A message that ends early needs bytes that are not there, and one that goes on has too many.
fn refuses_other_lengths<A: Answer>(any: &Any) -> Result<(), TestCaseError> {
    for version in A::VERSIONS {
        let body = body::<A>(version, &mut any.clone());
        let step = (body.len() / 300).max(1);
        for len in (0..body.len()).step_by(step) {
            let result = decode::<A>(version, body.slice(..len));
            prop_assert!(
                result.is_err(),
                "{} {}: {len} of {} bytes: {result:?}",
                A::API,
                version,
                body.len()
            );
        }
        let mut longer = BytesMut::from(&body[..]);
        longer.extend_from_slice(&[0]);
        let result = decode::<A>(version, longer.freeze());
        prop_assert!(matches!(result, Err(DecodeError::TrailingBytes { have: 1, .. })), "{:?}", result);
    }
    Ok(())
}

/// Whatever it becomes, it does not panic.
fn survives_flipped_bits<A: Answer>(any: &Any, flip: u8) {
    for version in A::VERSIONS {
        let body = BytesMut::from(&body::<A>(version, &mut any.clone())[..]);
        let step = (body.len() / 300).max(1);
        for at in (0..body.len()).step_by(step) {
            let mut changed = body.clone();
            changed[at] ^= flip;
            let _ = decode::<A>(version, changed.freeze());
        }
    }
}

fn survives_noise<A: Answer>(noise: &[u8]) {
    for version in A::VERSIONS {
        let _ = decode::<A>(version, Bytes::copy_from_slice(noise));
    }
}

/// Each list's `min_size` is no larger than its smallest element: a hundred of those are not too many for their bytes.
fn takes_the_smallest<A: Answer>() {
    for (version, depth) in A::VERSIONS.flat_map(|version| (0..3).map(move |depth| (version, depth))) {
        let result = decode::<A>(version, body::<A>(version, &mut Any::smallest(depth)));
        let fine = matches!(result, Ok(_) | Err(DecodeError::Duplicate { .. }));
        assert!(fine, "{} {version}, lists at depth {depth}: {result:?}", A::API);
    }
}

fn refuses_unknown_versions<A: Answer>() {
    for version in [i16::MIN, -1, A::VERSIONS.start() - 1, A::VERSIONS.end() + 1, i16::MAX] {
        assert_eq!(decode::<A>(version, Bytes::from_static(&[0; 64])), Err(DecodeError::Version { version }));
    }
}

macro_rules! answers {
    ($($module:ident $request:ident;)*) => {
        $(
            mod $module {
                use milena_proto::wire::$request as Api;
                use super::*;

                proptest! {
                    #![proptest_config(ProptestConfig::with_cases(96))]

                    #[test]
                    fn reads_the_same_as_kafka_protocol(any in any()) {
                        reads_the_same::<Api>(&any)?;
                    }

                    #[test]
                    fn refuses_an_answer_that_is_too_short_or_too_long(any in any()) {
                        refuses_other_lengths::<Api>(&any)?;
                    }

                    #[test]
                    fn survives_any_changed_byte(any in any(), flip in 1..=255_u8) {
                        survives_flipped_bits::<Api>(&any, flip);
                    }

                    #[test]
                    fn survives_bytes_that_are_noise(noise in proptest::collection::vec(0..=255_u8, 0..200)) {
                        survives_noise::<Api>(&noise);
                    }
                }

                #[test]
                fn refuses_versions_that_it_does_not_know() {
                    refuses_unknown_versions::<Api>();
                }

                #[test]
                fn takes_elements_of_the_smallest_size() {
                    takes_the_smallest::<Api>();
                }
            }
        )*
    };
}

answers! {
    produce ProduceRequest;
    fetch FetchRequest;
    list_offsets ListOffsetsRequest;
    metadata MetadataRequest;
    offset_commit OffsetCommitRequest;
    offset_fetch OffsetFetchRequest;
    find_coordinator FindCoordinatorRequest;
    join_group JoinGroupRequest;
    heartbeat HeartbeatRequest;
    leave_group LeaveGroupRequest;
    sync_group SyncGroupRequest;
    describe_groups DescribeGroupsRequest;
    list_groups ListGroupsRequest;
    api_versions ApiVersionsRequest;
    create_topics CreateTopicsRequest;
    delete_topics DeleteTopicsRequest;
    init_producer_id InitProducerIdRequest;
    offset_for_leader_epoch OffsetForLeaderEpochRequest;
    consumer_group_heartbeat ConsumerGroupHeartbeatRequest;
    consumer_group_describe ConsumerGroupDescribeRequest;
}

/// `kafka-protocol`'s text as ours.
fn string(text: impl AsRef<str>) -> String {
    text.as_ref().to_owned()
}

fn option(text: Option<StrBytes>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}
