//! OffsetCommit and OffsetFetch v10: as v9, with topic ids in the place of names. kafka-protocol 0.18 reads requests as far as
//! v9, and writes answers as far as v10.

use bytes::{Buf, Bytes};
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::{ApiKey, OffsetCommitRequest, OffsetFetchRequest, RequestKind};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

/// Whether a request has to be read here.
pub(crate) fn applies(api: ApiKey, version: i16) -> bool {
    matches!((api, version), (ApiKey::OffsetCommit | ApiKey::OffsetFetch, 10))
}

/// Reads a request. `None`: it is not one, and the broker hangs up.
pub(crate) fn decode(api: ApiKey, frame: &mut Bytes) -> Option<RequestKind> {
    Some(match api {
        ApiKey::OffsetCommit => RequestKind::OffsetCommit(commit(frame)?),
        ApiKey::OffsetFetch => RequestKind::OffsetFetch(fetch(frame)?),
        _ => return None,
    })
}

fn commit(frame: &mut Bytes) -> Option<OffsetCommitRequest> {
    let mut request = OffsetCommitRequest::default();
    request.group_id = string(frame)??.into();
    request.generation_id_or_member_epoch = frame.try_get_i32().ok()?;
    request.member_id = string(frame)??;
    request.group_instance_id = string(frame)?;
    request.topics = array(frame, |frame| {
        let id = uuid(frame)?;
        let partitions = array(frame, |frame| {
            let index = frame.try_get_i32().ok()?;
            let offset = frame.try_get_i64().ok()?;
            let epoch = frame.try_get_i32().ok()?;
            let metadata = string(frame)?;
            tags(frame)?;
            let partition = OffsetCommitRequestPartition::default().with_partition_index(index);
            let partition = partition.with_committed_offset(offset).with_committed_leader_epoch(epoch);
            Some(partition.with_committed_metadata(metadata))
        })??;
        tags(frame)?;
        Some(OffsetCommitRequestTopic::default().with_topic_id(id).with_partitions(partitions))
    })??;
    tags(frame)?;
    Some(request)
}

fn fetch(frame: &mut Bytes) -> Option<OffsetFetchRequest> {
    let groups = array(frame, |frame| {
        let id = string(frame)??;
        let member = string(frame)?;
        let epoch = frame.try_get_i32().ok()?;
        let topics = array(frame, |frame| {
            let id = uuid(frame)?;
            let partitions = array(frame, |frame| frame.try_get_i32().ok())??;
            tags(frame)?;
            Some(OffsetFetchRequestTopics::default().with_topic_id(id).with_partition_indexes(partitions))
        })?;
        tags(frame)?;
        let group = OffsetFetchRequestGroup::default().with_group_id(id.into()).with_member_id(member);
        Some(group.with_member_epoch(epoch).with_topics(topics))
    })??;
    let stable = frame.try_get_i8().ok()? != 0;
    tags(frame)?;
    Some(OffsetFetchRequest::default().with_groups(groups).with_require_stable(stable))
}

/// An unsigned varint of at most 32 bits.
fn varint(frame: &mut Bytes) -> Option<u32> {
    let mut value = 0_u32;
    for shift in (0..35).step_by(7) {
        let byte = frame.try_get_u8().ok()?;
        value |= u32::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take(frame: &mut Bytes, len: u32) -> Option<Bytes> {
    let len = usize::try_from(len).ok()?;
    (len <= frame.remaining()).then(|| frame.split_to(len))
}

fn string(frame: &mut Bytes) -> Option<Option<StrBytes>> {
    match varint(frame)?.checked_sub(1) {
        None => Some(None),
        Some(len) => StrBytes::from_utf8(take(frame, len)?).ok().map(Some),
    }
}

fn uuid(frame: &mut Bytes) -> Option<Uuid> {
    Uuid::from_slice(&take(frame, 16)?).ok()
}

/// A compact array. Its count is believed only as far as there is something to read.
fn array<T>(frame: &mut Bytes, mut item: impl FnMut(&mut Bytes) -> Option<T>) -> Option<Option<Vec<T>>> {
    let Some(count) = varint(frame)?.checked_sub(1) else { return Some(None) };
    let mut items = Vec::new();
    for _ in 0..count {
        items.push(item(frame)?);
    }
    Some(Some(items))
}

fn tags(frame: &mut Bytes) -> Option<()> {
    for _ in 0..varint(frame)? {
        varint(frame)?;
        let len = varint(frame)?;
        take(frame, len)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);

    /// A commit of offset 5 for partition 3, epoch 7, of group `g` by member `m`.
    fn commit_bytes() -> Vec<u8> {
        let mut bytes = b"\x02g\0\0\0\x07\x02m\0\x02".to_vec();
        bytes.extend(ID.as_bytes());
        bytes.extend(b"\x02\0\0\0\x03\0\0\0\0\0\0\0\x05\xff\xff\xff\xff\x01\0\0\0");
        bytes
    }

    /// A fetch of partitions 0 and 3 of group `g`, by nobody, and stable ones only.
    fn fetch_bytes() -> Vec<u8> {
        let mut bytes = b"\x02\x02g\0\xff\xff\xff\xff\x02".to_vec();
        bytes.extend(ID.as_bytes());
        bytes.extend(b"\x03\0\0\0\0\0\0\0\x03\0\0\x01\0");
        bytes
    }

    #[test]
    fn a_commit_is_read_as_it_was_written() {
        let read = decode(ApiKey::OffsetCommit, &mut commit_bytes().into());
        let Some(RequestKind::OffsetCommit(request)) = read else { panic!("{read:?}") };
        assert_eq!((request.group_id.as_str(), request.member_id.as_str()), ("g", "m"));
        assert_eq!((request.generation_id_or_member_epoch, request.topics[0].topic_id), (7, ID));
        let partition = &request.topics[0].partitions[0];
        assert_eq!((partition.partition_index, partition.committed_offset), (3, 5));
        assert_eq!(partition.committed_metadata, Some(StrBytes::new()));
    }

    #[test]
    fn a_fetch_is_read_as_it_was_written() {
        let read = decode(ApiKey::OffsetFetch, &mut fetch_bytes().into());
        let Some(RequestKind::OffsetFetch(request)) = read else { panic!("{read:?}") };
        assert!(request.require_stable);
        let topics = request.groups[0].topics.clone().unwrap_or_default();
        assert_eq!((topics[0].topic_id, &topics[0].partition_indexes), (ID, &vec![0, 3]));
    }

    #[test]
    fn a_request_that_is_cut_off_is_none() {
        for (api, bytes) in [(ApiKey::OffsetCommit, commit_bytes()), (ApiKey::OffsetFetch, fetch_bytes())] {
            for end in 0..bytes.len() {
                assert_eq!(decode(api, &mut Bytes::copy_from_slice(&bytes[..end])), None, "{api:?} {end}");
            }
        }
    }
}
