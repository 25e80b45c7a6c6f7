//! The gate, line by line, and the holes that other implementations have.
//!
//! Which test fails when a line of `gate::judge` is taken out (each was):
//!
//! | line | fails |
//! |---|---|
//! | offset below 0 | `an_offset_below_zero_is_never_sent` |
//! | the stamp is the current one | all of `late_ack_*`, `aba_*`, `acks_from_before_a_seek_*`, `a_recreated_topic_*` |
//! | compared as identity, not as number | `epochs_of_another_owner_are_never_current` |
//! | the topic of that name is the one assigned | `metadata_fences_before_the_epoch_is_renewed` |
//! | equal to what is stored | `what_is_stored_is_not_sent_again` |
//! | lower than what is stored | `inside_an_epoch_offsets_only_rise` |
//! | lower than what may be stored | `nothing_lower_than_what_may_be_stored_is_sent` |
//!
//! And of the places that call it: the call at the entry, `late_ack_after_revoke_is_fenced_at_once`; the call for each
//! request, `what_became_stale_while_it_waited_is_not_sent`.

use super::script::{Script, TOPIC, committed, fenced, offset, offsets, partition, superseded};
use crate::assignments::{Assignments, FenceReason};
use crate::offsets::{CommitError, CommitEvent};
use crate::types::{CallFailed, Generation, TopicId};
use crate::wire::ErrorCode;

#[test]
fn an_offset_below_zero_is_never_sent() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    for below in [-1, -5, i64::MIN] {
        script.commit(&stamp, below);
        script.emits(&[CommitEvent::Failed {
            partition: partition(0),
            epoch: stamp.epoch(),
            offset: below,
            error: CommitError::Negative,
        }]);
    }
    script.hours_pass().sends_nothing();
    script.commit(&stamp, 0).hours_pass().sends(&[(0, 0)]);
}

#[test]
fn late_ack_after_revoke_is_fenced_at_once() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 6).hours_pass().sends(&[(0, 6)]).stores().emits(&[committed(&stamp, 6)]);
    script.end(0, FenceReason::Revoked);
    script.commit(&stamp, 9).emits(&[fenced(&stamp, 9, FenceReason::Revoked)]);
    script.hours_pass().sends_nothing();
    assert_eq!(script.committer.counters().fenced, 1);
}

#[test]
fn late_ack_after_lost_is_fenced_and_says_why() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.end(0, FenceReason::Lost).commit(&stamp, 9).emits(&[fenced(&stamp, 9, FenceReason::Lost)]);
    script.hours_pass().sends_nothing();
}

#[test]
fn what_was_dirty_is_fenced_when_its_epoch_ends() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 9).end(0, FenceReason::Lost).emits(&[fenced(&stamp, 9, FenceReason::Lost)]);
    assert!(script.is_settled(0));
    script.hours_pass().sends_nothing().emits(&[]);
}

/// The owner need not tell the committer for the gate to hold: assignments alone decide.
#[test]
fn what_became_stale_while_it_waited_is_not_sent() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 9);
    script.assignments.revoke(&partition(0));
    script.hours_pass().sends_nothing().emits(&[fenced(&stamp, 9, FenceReason::Revoked)]);
}

/// The same, and the partition is back already: what came in for the new epoch is not mistaken for the old one's.
#[test]
fn what_is_dirty_of_two_epochs_is_never_merged() {
    let mut script = Script::new();
    let first = script.assign(0);
    script.commit(&first, 9);
    script.assignments.revoke(&partition(0));
    let second = script.generation(2).assign(0);
    script.commit(&second, 4).emits(&[fenced(&first, 9, FenceReason::Revoked)]);
    script.hours_pass().sends(&[(0, 4)]).stores().emits(&[committed(&second, 4)]);
}

/// H1: p goes from us to somebody else and back; our slow ack of the first time comes in the second.
#[test]
fn aba_across_members_does_not_rewind() {
    let mut script = Script::new();
    let first = script.assign(0);
    script.end(0, FenceReason::Revoked);
    // The other member commits 21, and p comes back.
    let second = script.generation(3).assign(0);
    script.commit(&second, 22).hours_pass().sends(&[(0, 22)]).stores();
    script.commit(&first, 6).commit(&second, 23).hours_pass().sends(&[(0, 23)]).stores();
    script.has_stored(&[(0, 22), (0, 23)]);
    script.emits(&[committed(&second, 22), fenced(&first, 6, FenceReason::Revoked), committed(&second, 23)]);
}

/// The same where the second epoch has stored nothing yet, so that no comparison of offsets could help.
#[test]
fn aba_is_told_by_the_epoch_and_not_by_the_offset() {
    let mut script = Script::new();
    let first = script.assign(0);
    script.end(0, FenceReason::Revoked);
    script.generation(3).assign(0);
    script.commit(&first, 6).hours_pass().sends_nothing().emits(&[fenced(&first, 6, FenceReason::Revoked)]);
}

/// H2: an eager rebalance takes p and gives it back to the same member, whose buffer still holds its records.
#[test]
fn aba_on_the_same_member_over_an_eager_rebalance_does_not_rewind() {
    let mut script = Script::new();
    let before = script.assign(0);
    script.commit(&before, 3).hours_pass().sends(&[(0, 3)]).stores();
    script.commit(&before, 5).end(0, FenceReason::Revoked);
    let after = script.generation(2).assign(0);
    // Read again from 3 on; the old buffer's 5, 6, 7 are acknowledged after the new 3 and 4.
    script.commit(&after, 8).commit(&before, 8).commit(&after, 9).commit(&before, 4);
    script.hours_pass().sends(&[(0, 9)]).stores();
    script.has_stored(&[(0, 3), (0, 9)]);
    assert_eq!(script.committer.counters().fenced, 3);
}

/// H3: remembered sets of partitions go stale; epochs do not. An unrelated rebalance fences nothing.
#[test]
fn a_rebalance_that_keeps_the_partition_keeps_its_epoch() {
    let mut script = Script::new();
    let kept = script.assign(0);
    let gone = script.assign(1);
    script.commit(&kept, 5).commit(&gone, 5).generation(2).end(1, FenceReason::Revoked);
    script.generation(3);
    assert!(kept.is_current());
    script.hours_pass().sends(&[(0, 5)]);
    assert_eq!(script.carried(), 3);
}

/// H4: the first commit fails retriably after a higher one came in. History must not go 2, 1.
#[test]
fn a_retry_is_never_overtaken() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 1).hours_pass().sends(&[(0, 1)]);
    script.commit(&stamp, 2).hours_pass().sends_nothing();
    script.refuses(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
    script.hours_pass().sends(&[(0, 2)]).stores().hours_pass().sends_nothing();
    script.has_stored(&[(0, 2)]);
    script.emits(&[committed(&stamp, 2)]);
}

/// H4 again: its answer got lost, so it may have been stored, or be stored any moment.
#[test]
fn what_follows_a_lost_answer_is_of_the_same_epoch_and_not_lower() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 4).hours_pass().sends(&[(0, 4)]).fails(CallFailed::TimedOut);
    script.commit(&stamp, 3).emits(&[CommitEvent::CoordinatorLost, superseded(&stamp, 3, 4)]);
    script.hours_pass().sends(&[(0, 4)]).stores().emits(&[committed(&stamp, 4)]);
}

/// H5: a commit that waited for the coordinator is built when it is sent, from that moment's member and assignments.
#[test]
fn a_request_is_built_from_one_look_at_member_and_assignments() {
    let mut script = Script::new();
    let kept = script.assign(0);
    let gone = script.assign(1);
    script.commit(&kept, 5).commit(&gone, 6).hours_pass().sends(&[(0, 5), (1, 6)]);
    script.refuses(ErrorCode::NOT_COORDINATOR);
    // Meanwhile the group moves on.
    script.end(1, FenceReason::Revoked).generation(2);
    script.hours_pass().sends(&[(0, 5)]);
    assert_eq!(script.carried(), 2);
}

/// H6: there is one way to the coordinator. Offsets of the user's own making need a stamp as acks do.
#[test]
fn an_offset_of_the_users_own_passes_the_same_gate() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.end(0, FenceReason::Revoked).generation(2).assign(0);
    let mut own = offset(40);
    own.metadata = Some("checkpoint 7".to_owned());
    script.committer.handle_committable(script.now, &stamp, own, &script.assignments);
    script.hours_pass().sends_nothing().emits(&[fenced(&stamp, 40, FenceReason::Revoked)]);
}

/// H7: every offset that came in has an outcome, and each is counted.
#[test]
fn nothing_is_dropped_in_silence() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    let other = script.assign(1);
    script.commit(&stamp, 5).commit(&stamp, 4).commit(&stamp, -1).commit(&other, 1);
    script.end(1, FenceReason::Lost).hours_pass().sends(&[(0, 5)]).stores();
    assert_eq!(script.events().len(), 4);
    let counters = script.committer.counters();
    assert_eq!((counters.committed, counters.superseded, counters.failed, counters.fenced), (1, 1, 1, 1));
}

#[test]
fn acks_from_before_a_seek_say_nothing_about_what_is_read_after_it() {
    let mut script = Script::new();
    let before = script.assign(0);
    script.commit(&before, 100).hours_pass().sends(&[(0, 100)]).stores();
    let after = script.seek(0);
    script.commit(&before, 120);
    // A wanted rewind: lower than what is stored, in an epoch of its own.
    script.commit(&after, 10).hours_pass().sends(&[(0, 10)]).stores();
    script.has_stored(&[(0, 100), (0, 10)]);
    script.emits(&[committed(&before, 100), fenced(&before, 120, FenceReason::Seek), committed(&after, 10)]);
}

#[test]
fn acks_from_before_a_seek_do_not_overtake_it_when_under_way() {
    let mut script = Script::new();
    let before = script.assign(0);
    script.commit(&before, 100).hours_pass().sends(&[(0, 100)]);
    let after = script.seek(0);
    script.commit(&after, 10).hours_pass().sends_nothing();
    script.stores().hours_pass().sends(&[(0, 10)]).stores();
    script.has_stored(&[(0, 100), (0, 10)]);
    // The late answer is no measure for the new epoch.
    assert_eq!(script.assignments.get(&partition(0)).and_then(|held| held.accepted()), Some(10));
    assert_eq!(script.committer.counters().committed_late, 1);
}

#[test]
fn a_recreated_topic_takes_no_offset_of_the_old_one() {
    let mut script = Script::new();
    let old = script.assign(0);
    script.commit(&old, 50);
    let new = script.assignments.topic_recreated(&partition(0), TopicId([8; 16])).expect("it is ours");
    script.committer.handle_epoch_ended(&old);
    script.commit(&old, 60).commit(&new, 1).hours_pass();
    let request = script.polls().expect("the new topic's offset is sent");
    assert_eq!(offsets(request), [(0, 1)]);
    assert_eq!(request.topics[0].id, TopicId([8; 16]));
    script.emits(&[
        fenced(&old, 50, FenceReason::TopicRecreated),
        fenced(&old, 60, FenceReason::TopicRecreated),
    ]);
}

/// Before OffsetCommit 10 the request goes by name, and the coordinator stores the old topic's offset for the new one.
#[test]
fn metadata_fences_before_the_epoch_is_renewed() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 50);
    let other = script.assignments.handle_topic_id(&partition(0).topic, TopicId([8; 16]));
    assert_eq!(other, [partition(0)]);
    script.hours_pass().sends_nothing().emits(&[fenced(&stamp, 50, FenceReason::TopicRecreated)]);
    script.commit(&stamp, 51).emits(&[fenced(&stamp, 51, FenceReason::TopicRecreated)]);
}

#[test]
fn a_topic_id_that_was_not_known_at_first_fences_nothing() {
    let mut script = Script::new();
    let stamp = script.assignments.assign(partition(0), TopicId::ZERO, Generation(1));
    assert!(script.assignments.handle_topic_id(&partition(0).topic, TOPIC).is_empty());
    script.commit(&stamp, 50).hours_pass();
    assert_eq!(script.polls().expect("it is sent").topics[0].id, TOPIC);
}

#[test]
fn what_is_stored_is_not_sent_again() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5).hours_pass().sends(&[(0, 5)]).stores().emits(&[committed(&stamp, 5)]);
    script.commit(&stamp, 5).emits(&[]);
    assert!(script.is_settled(0));
    script.hours_pass().sends_nothing();
}

#[test]
fn inside_an_epoch_offsets_only_rise() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 5).commit(&stamp, 4).emits(&[superseded(&stamp, 4, 5)]);
    script.hours_pass().sends(&[(0, 5)]).stores().emits(&[committed(&stamp, 5)]);
    script.commit(&stamp, 3).emits(&[superseded(&stamp, 3, 5)]);
    script.hours_pass().sends_nothing();
    script.commit(&stamp, 6).hours_pass().sends(&[(0, 6)]);
}

/// 10 was sent and its answer lost; sent again it was refused for good. It may be stored all the same, from the first time.
#[test]
fn nothing_lower_than_what_may_be_stored_is_sent() {
    let mut script = Script::new();
    let stamp = script.assign(0);
    script.commit(&stamp, 10).hours_pass().sends(&[(0, 10)]).fails(CallFailed::Disconnected);
    script.hours_pass().sends(&[(0, 10)]).refuses(ErrorCode::TOPIC_AUTHORIZATION_FAILED).hours_pass();
    script.events();
    script.commit(&stamp, 8).emits(&[superseded(&stamp, 8, 10)]);
    script.hours_pass().sends_nothing();
    script.commit(&stamp, 10).hours_pass().sends(&[(0, 10)]).stores();
}

/// Two clients in one process count their epochs alike.
#[test]
fn epochs_of_another_owner_are_never_current() {
    let mut script = Script::new();
    let ours = script.assign(0);
    let mut elsewhere = Assignments::new();
    let theirs = elsewhere.assign(partition(0), TOPIC, Generation(1));
    assert_eq!(ours.epoch(), theirs.epoch());
    script.commit(&theirs, 9).hours_pass().sends_nothing();
    script.emits(&[fenced(&theirs, 9, FenceReason::Closed)]);
}
