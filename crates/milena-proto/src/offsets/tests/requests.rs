//! When requests are built, and what they carry.

use std::time::Duration;

use super::script::{INTERVAL, Script, TOPIC, committed, offset, offsets, partition};
use crate::offsets::{CommitEvent, WireEpochPolicy};
use crate::types::{Generation, LeaderEpoch, MemberSnapshot, TopicId, TopicPartition};
use crate::wire::ErrorCode;

#[test]
fn an_offset_waits_for_the_interval_and_takes_others_along() {
    let mut script = Script::new();
    let (one, two) = (script.assign(0), script.assign(1));
    assert_eq!(script.committer.poll_timeout(), None);
    script.commit(&one, 5);
    assert_eq!(script.committer.poll_timeout(), Some(script.now + INTERVAL));
    script.after(INTERVAL - Duration::from_millis(1)).commit(&two, 7).sends_nothing();
    script.after(Duration::from_millis(1)).sends(&[(0, 5), (1, 7)]).stores();
    assert_eq!(script.committer.poll_timeout(), None);
}

#[test]
fn an_offset_that_rises_does_not_wait_longer() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5).after(INTERVAL / 2).commit(&stamp, 6).after(INTERVAL / 2).sends(&[(0, 6)]);
}

#[test]
fn an_interval_of_zero_commits_as_fast_as_the_coordinator_answers() {
    let mut script = Script::with(|settings| settings.interval = Duration::ZERO);
    let stamp = script.assign(0);
    script.commit(&stamp, 1).sends(&[(0, 1)]).commit(&stamp, 2).commit(&stamp, 3).sends_nothing();
    script.stores().sends(&[(0, 3)]);
}

#[test]
fn an_interval_without_end_commits_only_when_flushed() {
    let mut script = Script::with(|settings| settings.interval = Duration::MAX);
    let stamp = script.assign(0);
    script.commit(&stamp, 1).hours_pass().sends_nothing();
    script.committer.flush_all(script.now);
    script.sends(&[(0, 1)]);
}

#[test]
fn one_request_is_under_way_at_a_time() {
    let mut script = Script::new();
    let (one, two) = (script.assign(0), script.assign(1));
    script.commit(&one, 1).hours_pass().sends(&[(0, 1)]);
    script.commit(&two, 1).hours_pass().sends_nothing();
    assert_eq!(script.committer.poll_timeout(), None, "the answer wakes us up");
    script.stores().sends(&[(1, 1)]);
}

#[test]
fn a_request_says_who_what_and_of_which_topic() {
    let mut script = Script::new();
    script.member = Some(MemberSnapshot {
        member_id: "me".to_owned(),
        generation: Generation(7),
        group_instance_id: Some("rack-1".to_owned()),
    });
    let stamp = script.assign(0);
    let other = TopicPartition::new("refunds", 3);
    let other = script.assignments.assign(other, TopicId([9; 16]), Generation(7));
    let mut noted = offset(5);
    noted.metadata = Some("note".to_owned());
    script.committer.handle_committable(script.now, &stamp, noted, &script.assignments);
    script.commit(&other, 8).hours_pass();
    let request = script.polls().expect("it is due");
    assert_eq!(request.group_id, "billing");
    assert_eq!(request.member_id, "me");
    assert_eq!(request.group_instance_id.as_deref(), Some("rack-1"));
    assert_eq!(request.generation, Generation(7));
    assert_eq!(request.topics.len(), 2);
    assert_eq!((&*request.topics[0].name, request.topics[0].id), ("orders", TOPIC));
    assert_eq!((&*request.topics[1].name, request.topics[1].id), ("refunds", TopicId([9; 16])));
    let sent = &request.topics[0].partitions[0];
    assert_eq!((sent.offset, sent.leader_epoch), (5, Some(LeaderEpoch(3))));
    assert_eq!(sent.metadata.as_deref(), Some("note"));
}

#[test]
fn without_a_member_nothing_is_sent_and_nothing_spins() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5);
    let member = script.member.take();
    script.hours_pass().sends_nothing();
    assert_eq!(script.committer.poll_timeout(), None);
    script.member = member;
    script.sends(&[(0, 5)]);
}

#[test]
fn standalone_commits_carry_no_member() {
    let mut script = Script::with(|settings| settings.standalone = true);
    script.member = None;
    let stamp = script.assign(0);
    script.commit(&stamp, 5).hours_pass();
    let request = script.polls().expect("it is due");
    assert_eq!((request.generation, request.member_id.as_str()), (Generation(-1), ""));
    assert_eq!(offsets(request), [(0, 5)]);
}

/// KIP-1251: the coordinator can only protect us from ourselves if each partition carries the epoch of its assignment.
#[test]
fn per_assignment_each_wire_epoch_has_a_request_of_its_own() {
    let mut script = Script::per_assignment();
    let early = script.generation(3).assign(0);
    let late = script.generation(5).assign(1);
    script.generation(6);
    script.commit(&early, 5).commit(&late, 7).hours_pass();
    script.sends(&[(0, 5)]);
    assert_eq!(script.carried(), 3);
    script.stores().sends(&[(1, 7)]);
    assert_eq!(script.carried(), 5);
    script.stores().sends_nothing();
}

#[test]
fn per_assignment_a_wire_epoch_that_fails_does_not_starve_the_others() {
    let mut script = Script::per_assignment();
    let early = script.generation(3).assign(0);
    let late = script.generation(5).assign(1);
    script.commit(&early, 5).commit(&late, 7).hours_pass();
    script.sends(&[(0, 5)]).refuses(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    script.hours_pass().sends(&[(1, 7)]).stores().sends(&[(0, 5)]);
}

#[test]
fn per_assignment_a_seek_keeps_the_wire_epoch_and_a_new_assignment_does_not() {
    let mut script = Script::per_assignment();
    script.generation(3).assign(0);
    script.generation(5);
    let after = script.seek(0);
    script.commit(&after, 5).hours_pass().sends(&[(0, 5)]);
    assert_eq!(script.carried(), 3);
    script.stores();
    let again = script.assign(0);
    script.commit(&again, 5).hours_pass().sends(&[(0, 5)]);
    assert_eq!(script.carried(), 5);
}

/// STALE while the assignment holds means that the coordinator does not know its epoch (it is older
/// than it said, or was replaced), not that we are fenced.
#[test]
fn per_assignment_a_stale_wire_epoch_of_a_living_assignment_falls_back_to_the_members() {
    let mut script = Script::per_assignment();
    let stamp = script.generation(3).assign(0);
    script.generation(5).commit(&stamp, 5).hours_pass().sends(&[(0, 5)]);
    script.refuses(ErrorCode::STALE_MEMBER_EPOCH);
    let error = ErrorCode::STALE_MEMBER_EPOCH;
    script.emits(&[CommitEvent::MemberRefused { generation: Generation(3), error }]);
    script.hours_pass().sends(&[(0, 5)]);
    assert_eq!(script.carried(), 5);
    script.stores().emits(&[committed(&stamp, 5)]);
    script.commit(&stamp, 6).hours_pass().sends(&[(0, 6)]);
    assert_eq!(script.carried(), 5, "it is not tried every time");
}

/// The coordinator was a heartbeat ahead of us: our own epoch was out of date, the assignment's is not to blame.
#[test]
fn per_assignment_a_stale_member_epoch_keeps_the_wire_epoch() {
    let mut script = Script::per_assignment();
    let stamp = script.generation(3).assign(0);
    script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]).refuses(ErrorCode::STALE_MEMBER_EPOCH);
    script.generation(4).hours_pass().sends(&[(0, 5)]);
    assert_eq!(script.carried(), 3);
}

#[test]
fn per_assignment_a_late_commit_keeps_its_own_wire_epoch() {
    let mut script = Script::per_assignment();
    let stamp = script.generation(3).assign(0);
    script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]);
    assert_eq!(script.carried(), 3);
    // Under way over the hand-over: the broker refuses it by its epoch, and it is not sent in any other.
    script.end(0, crate::assignments::FenceReason::Revoked).generation(4);
    script.refuses(ErrorCode::STALE_MEMBER_EPOCH).hours_pass().sends_nothing();
    let again = script.assign(0);
    assert_eq!(script.assignments.get(&partition(0)).and_then(|held| held.wire_epoch()), Some(Generation(4)));
    script.commit(&again, 1).hours_pass().sends(&[(0, 1)]);
}

#[test]
fn the_policy_follows_the_coordinator() {
    let mut script = Script::per_assignment();
    let stamp = script.generation(3).assign(0);
    script.generation(5).commit(&stamp, 5).hours_pass();
    script.committer.set_wire_epoch_policy(WireEpochPolicy::Current);
    script.sends(&[(0, 5)]);
    assert_eq!(script.carried(), 5);
}
