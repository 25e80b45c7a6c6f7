//! OffsetCommit and OffsetFetch 10, which `kafka-protocol` does not know.
//!
//! They are version 9 with a topic's id in the place of its name. A name of 15 bytes takes 16 on the wire, as an id does: so
//! with the id that such a name looks like, both versions are the same bytes. In `golden` a real broker understands them.

use bytes::{Bytes, BytesMut};
use milena_proto::types::{Generation, TopicId, TopicName};
use milena_proto::wire::*;
use proptest::prelude::*;

use crate::any::{Any, any};

/// A name of 15 bytes, and the id that is its wire form.
fn twins(any: &mut Any) -> (TopicName, TopicId) {
    let name = format!("{:05}-{:09}", any.byte(), any.unique());
    let mut id = [16; 16];
    id[1..].copy_from_slice(name.as_bytes());
    (name.into(), TopicId(id))
}

fn body(request: &impl Request, version: i16) -> Bytes {
    let mut bytes = BytesMut::new();
    request.encode(version, &mut bytes).unwrap();
    bytes.freeze()
}

fn commit(any: &mut Any) -> OffsetCommitRequest {
    let partition = |any: &mut Any| OffsetCommitPartition {
        partition: any.i32(),
        offset: any.i64(),
        leader_epoch: any.epoch(),
        metadata: any.option(Any::string),
    };
    let topic = |any: &mut Any| {
        let (name, id) = twins(any);
        OffsetCommitTopic { name, id, partitions: any.list(partition) }
    };
    OffsetCommitRequest {
        group_id: any.string(),
        generation: Generation(any.i32()),
        member_id: any.string(),
        group_instance_id: any.option(Any::string),
        topics: any.list(topic),
    }
}

fn fetch(any: &mut Any) -> OffsetFetchRequest {
    let topic = |any: &mut Any| {
        let (name, id) = twins(any);
        OffsetFetchTopic { name, id, partitions: any.list(Any::i32) }
    };
    OffsetFetchRequest {
        group_id: any.string(),
        member: any.option(|any| (any.string(), any.i32())),
        topics: any.option(|any| any.list(topic)),
        require_stable: any.bool(),
    }
}

proptest! {
    #[test]
    fn offset_commit_10_is_version_9_with_ids(mut any in any()) {
        let request = commit(&mut any);
        prop_assert_eq!(body(&request, 10), body(&request, 9));
    }

    #[test]
    fn offset_fetch_10_is_version_9_with_ids(mut any in any()) {
        let request = fetch(&mut any);
        prop_assert_eq!(body(&request, 10), body(&request, 9));
    }
}

#[test]
fn long_lists_have_counts_of_several_bytes() {
    let (name, id) = twins(&mut Any::new(vec![]));
    for count in [126, 127, 128, 16_383, 16_384] {
        let topics =
            Some(vec![OffsetFetchTopic { name: name.clone(), id, partitions: (0..count).collect() }]);
        let request = OffsetFetchRequest { group_id: "g".into(), member: None, topics, require_stable: true };
        assert_eq!(body(&request, 10), body(&request, 9), "{count} partitions");
    }
}
