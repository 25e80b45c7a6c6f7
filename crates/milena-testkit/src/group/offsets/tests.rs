//! Commits and fetches, rule by rule, as a real Kafka 4.3.1 answered them.

use std::time::Duration;

use super::super::script::{Beat, Joiner, Script, committing, text};
use super::{OffsetChange, Tombstone};
use crate::error_code::ErrorCode;

#[test]
fn offsets_are_never_compared() {
    let mut script = Script::new();
    let (member, generation) = script.alone();
    for offset in [12, 6, 1_000_000, 0, -1, -5] {
        assert_eq!(script.commit(&member, generation, offset), Ok(()));
        assert_eq!(script.fetch(false), (offset, ErrorCode::NONE));
    }
    let history: Vec<i64> = script.groups.history().iter().filter_map(|record| record.committed()).collect();
    assert_eq!(history, [12, 6, 1_000_000, 0, -1, -5]);
}

#[test]
fn a_classic_commit_needs_the_member_and_the_generation() {
    let mut script = Script::new();
    let (member, generation) = script.alone();
    assert_eq!(script.commit(&member, generation - 1, 1), Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(script.commit(&member, generation + 1, 1), Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(script.commit(&member, -1, 1), Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(script.commit("nobody", generation, 1), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(script.commit("", -1, 1), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(script.fetch(false), (-1, ErrorCode::NONE));
    assert_eq!(script.groups.history(), []);
}

#[test]
fn while_a_rebalance_is_prepared_the_old_generation_may_commit_and_a_newcomer_too() {
    let mut script = Script::new();
    let (leader, generation) = script.alone();
    let (newcomer, _) = script.newcomer();
    assert_eq!(script.commit(&leader, generation, 1), Ok(()));
    assert_eq!(script.commit(&newcomer, generation, 2), Ok(()));
    let rejoined = script.join(&Joiner::member(&leader));
    script.joined(rejoined);
    assert_eq!(script.commit(&leader, generation + 1, 3), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    assert_eq!(script.commit(&leader, generation, 4), Err(ErrorCode::ILLEGAL_GENERATION));
}

#[test]
fn a_plain_commit_makes_a_group_and_needs_an_empty_one() {
    let mut script = Script::new();
    assert_eq!(script.commit("", -1, 5), Ok(()));
    assert_eq!(script.groups.state("g"), "Empty");
    assert_eq!(script.fetch(false).0, 5);
    assert_eq!(script.commit("nobody", 3, 6), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn a_commit_to_a_group_that_is_not_there_is_told_so_by_version() {
    let mut script = Script::new();
    assert_eq!(script.commit_at("m", 3, 0, 1, 8), Err(ErrorCode::ILLEGAL_GENERATION));
    assert_eq!(script.commit_at("m", 3, 0, 1, 9), Err(ErrorCode::GROUP_ID_NOT_FOUND));
}

#[test]
fn metadata_of_4096_characters_is_the_most() {
    let mut script = Script::new();
    let fits = script.commit_topic(0, 1, &"x".repeat(4096));
    let too_long = script.commit_topic(1, 2, &"x".repeat(4097));
    let answers = script.groups.commit(&committing("", -1, 9, false), &[fits, too_long]);
    assert_eq!(answers, Ok(vec![vec![ErrorCode::NONE], vec![ErrorCode::OFFSET_METADATA_TOO_LARGE]]));
    assert_eq!(script.groups.committed("g", "t", 0), Some(1));
    assert_eq!(script.groups.committed("g", "t", 1), None);
}

#[test]
fn a_members_current_epoch_may_commit_what_is_somebody_elses() {
    let mut script = Script::new();
    let epoch = script.beat(&Beat::joining("a")).map(|answer| answer.member_epoch);
    assert_eq!(epoch.as_ref().ok(), Some(&2));
    let other = script.beat(&Beat::joining("b")).expect("b joins");
    assert_eq!(script.commit_at("b", other.member_epoch, 0, 9, 9), Ok(()), "partition 0 is a's");
}

#[test]
fn an_older_epoch_may_commit_what_the_member_had_then_and_one_bad_partition_spoils_all() {
    let mut script = Script::new();
    // a: all four at epoch 2; b joins, a gives up 2 and 3.
    script.beat(&Beat::joining("a")).expect("a joins");
    script.beat(&Beat::joining("b")).expect("b joins");
    script.beat(&Beat::owning("a", 2, &[0, 1, 2, 3])).expect("a is told");
    assert_eq!(script.commit_at("a", 2, 3, 1, 9), Ok(()), "told to give it up, but not done yet");
    let acknowledged = script.beat(&Beat::owning("a", 2, &[0, 1])).expect("a acknowledges");
    assert_eq!(acknowledged.member_epoch, 3);
    assert_eq!(script.commit_at("a", 2, 0, 7, 9), Ok(()), "KIP-1251: it has had this one since epoch 2");
    assert_eq!(script.commit_at("a", 2, 3, 7, 9), Err(ErrorCode::STALE_MEMBER_EPOCH), "this one is gone");
    assert_eq!(script.commit_at("a", 1, 0, 7, 9), Err(ErrorCode::STALE_MEMBER_EPOCH), "before it had it");
    assert_eq!(script.commit_at("a", 4, 0, 7, 9), Err(ErrorCode::STALE_MEMBER_EPOCH), "an epoch to come");
    let mut topic = script.commit_topic(0, 8, "");
    topic.partitions.extend(script.commit_topic(3, 8, "").partitions);
    let answer = script.groups.commit(&committing("a", 2, 9, false), &[topic]);
    assert_eq!(answer, Err(ErrorCode::STALE_MEMBER_EPOCH));
    assert_eq!(script.groups.committed("g", "t", 0), Some(7), "nothing of it was written");
    script.groups.config_mut().assignment_epochs = false;
    assert_eq!(script.commit_at("a", 2, 0, 9, 9), Err(ErrorCode::STALE_MEMBER_EPOCH), "as before 4.3");
}

#[test]
fn members_of_consumer_groups_commit_with_v9_or_newer() {
    let mut script = Script::new();
    script.beat(&Beat::joining("a")).expect("a joins");
    assert_eq!(script.commit_at("a", 2, 0, 1, 8), Err(ErrorCode::UNSUPPORTED_VERSION));
    assert_eq!(script.commit_at("a", 2, 0, 1, 9), Ok(()));
    assert_eq!(script.commit("", -1, 1), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn a_fetch_that_names_a_member_needs_its_current_epoch() {
    let mut script = Script::new();
    script.beat(&Beat::joining("a")).expect("a joins");
    let fetch = |member: Option<&str>, epoch| {
        script.groups.fetch_offsets(&text("g"), member, epoch, Some(&[]), false).map(drop)
    };
    assert_eq!(fetch(Some("a"), 2), Ok(()));
    assert_eq!(fetch(Some("a"), 1), Err(ErrorCode::STALE_MEMBER_EPOCH));
    assert_eq!(fetch(Some("b"), 2), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(fetch(None, -1), Ok(()));
}

#[test]
fn offsets_of_a_transaction_hold_once_it_is_committed() {
    let mut script = Script::new();
    script.commit("", -1, 5).expect("plain");
    script.commit_transactional("", -1, 77, 20).expect("pending");
    assert_eq!(script.fetch(false), (5, ErrorCode::NONE));
    assert_eq!(script.fetch(true), (-1, ErrorCode::UNSTABLE_OFFSET_COMMIT));
    script.groups.end_transaction(Duration::ZERO, 77, true);
    assert_eq!(script.fetch(true), (20, ErrorCode::NONE));
    script.commit_transactional("", -1, 77, 40).expect("pending");
    script.groups.end_transaction(Duration::ZERO, 77, false);
    assert_eq!(script.fetch(true), (20, ErrorCode::NONE));
    let last = script.groups.history().last().map(|record| record.change.clone());
    assert_eq!(last, Some(OffsetChange::Dropped { offset: 40, producer: 77 }));
}

#[test]
fn of_a_pending_offset_and_a_plain_one_the_later_write_holds() {
    let mut script = Script::new();
    script.commit_transactional("", -1, 77, 20).expect("pending");
    script.commit("", -1, 30).expect("plain, later");
    script.groups.end_transaction(Duration::ZERO, 77, true);
    assert_eq!(script.fetch(true), (30, ErrorCode::NONE));
}

#[test]
fn a_transactional_commit_checks_the_member_only_where_one_is_named() {
    let mut script = Script::new();
    let (member, generation) = script.alone();
    assert_eq!(script.commit_transactional("", -1, 7, 1), Ok(()));
    assert_eq!(script.commit_transactional(&member, generation, 7, 1), Ok(()));
    assert_eq!(
        script.commit_transactional(&member, generation + 1, 7, 1),
        Err(ErrorCode::ILLEGAL_GENERATION)
    );
    let mut script = Script::new();
    script.beat(&Beat::joining("a")).expect("a joins");
    assert_eq!(script.commit_transactional("", -1, 7, 1), Ok(()));
    assert_eq!(script.commit_transactional("a", 9, 7, 1), Err(ErrorCode::ILLEGAL_GENERATION));
}

#[test]
fn offsets_of_a_living_groups_topics_cannot_be_deleted() {
    let mut script = Script::new();
    let (member, generation) = script.alone();
    script.commit(&member, generation, 5).expect("commit");
    let asked = [(text("t"), vec![0]), (text("u"), vec![0])];
    let answers = script.groups.delete_offsets(&text("g"), &asked);
    assert_eq!(answers, Ok(vec![vec![ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC], vec![ErrorCode::NONE]]));
    assert_eq!(script.fetch(false).0, 5);
    assert_eq!(script.groups.delete_group(&text("g")), Err(ErrorCode::NON_EMPTY_GROUP));
    script.leave(&[(&member, None)]);
    assert_eq!(script.groups.delete_offsets(&text("g"), &asked[..1]), Ok(vec![vec![ErrorCode::NONE]]));
    assert_eq!(script.fetch(false).0, -1);
    assert_eq!(script.groups.delete_group(&text("g")), Ok(()));
    assert_eq!(script.groups.delete_group(&text("g")), Err(ErrorCode::GROUP_ID_NOT_FOUND));
}

#[test]
fn a_deleted_topic_takes_its_offsets_along_in_every_group() {
    let mut script = Script::new();
    script.commit("", -1, 5).expect("plain");
    script.commit_transactional("", -1, 77, 20).expect("pending");
    script.groups.offsets.delete_topic(Duration::ZERO, "t");
    assert_eq!(script.fetch(true), (-1, ErrorCode::NONE));
    script.groups.end_transaction(Duration::ZERO, 77, true);
    assert_eq!(script.fetch(true), (-1, ErrorCode::NONE));
    let last = script.groups.history().last().map(|record| record.change.clone());
    assert_eq!(last, Some(OffsetChange::Removed { why: Tombstone::TopicDeleted }));
}

#[test]
fn offsets_of_an_abandoned_group_expire_and_the_group_with_them() {
    let day = 24 * 3600 * 1000;
    let mut script = Script::new();
    let joiner = Joiner { session_ms: 30 * 60 * 1000, ..Joiner::default() };
    let token = script.join(&joiner);
    let id = script.joined(token).member_id.to_string();
    let token = script.join(&Joiner { member: text(&id), ..joiner });
    let generation = script.joined(token).generation_id;
    script.sync(&id, generation, &[]);
    script.commit(&id, generation, 5).expect("commit");
    for _ in 0..(8 * 24 * 3) {
        script.pass(day / 24 / 3);
        assert_eq!(script.heartbeat(&id, generation), Ok(()));
    }
    assert_eq!(script.fetch(false).0, 5, "eight days old, but in use");
    script.leave(&[(&id, None)]);
    script.pass(7 * day - 1);
    assert_eq!(script.fetch(false).0, 5, "retention counts from the day when the group became empty");
    script.pass(600_000);
    assert_eq!(script.fetch(false).0, -1);
    assert_eq!(script.groups.state("g"), "Dead");
}
