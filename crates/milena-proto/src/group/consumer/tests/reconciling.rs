use super::*;

#[test]
fn what_goes_is_given_up_before_the_coordinator_hears_of_it() {
    let mut group = Script::with(&[0, 1, 2, 3]);
    group.beats_on(1).answers(assigned(1, &[0, 1])).emits_revoke(&[2, 3]).is_quiet();
    assert_eq!(group.group.assignment(), &partitions(&[0, 1, 2, 3]));
    // While it drains it is a member like any other, and says nothing of it.
    for _ in 0..3 {
        group.beats_on(1).answers(alive(1)).is_quiet();
    }
    group.revoked().emits_assigned(1, &[], &[0, 1]).acknowledges(1, &[0, 1]).answers(alive(2));
    group.emits_epoch(2, false).is_quiet().beats_on(2);
    assert_eq!(group.group.snapshot().unwrap().generation, Generation(2));
}

#[test]
fn what_comes_is_taken_and_acknowledged_at_once() {
    let mut group = Script::with(&[0]);
    group.beats_on(1).answers(assigned(2, &[0, 1])).emits_epoch(2, false);
    group.emits_assigned(2, &[1], &[0, 1]).acknowledges(2, &[0, 1]).is_quiet();
    group.answers(alive(2)).is_quiet().beats_on(2);
}

/// KIP-1251: what commits are checked by is the epoch of the answer that first listed the partition; what is said again is
/// not assigned again.
#[test]
fn the_same_assignment_again_is_no_news() {
    let mut group = Script::with(&[0, 1]);
    group.beats_on(1).answers(assigned(1, &[0, 1])).is_quiet();
    group.beats_on(1).answers(assigned(2, &[0, 1])).emits_epoch(2, false).is_quiet().beats_on(2);
}

#[test]
fn a_target_that_moves_during_a_drain_is_looked_at_after_it() {
    let mut group = Script::with(&[0, 1, 2]);
    group.beats_on(1).answers(assigned(1, &[0, 1])).emits_revoke(&[2]);
    group.beats_on(1).answers(assigned(1, &[0])).is_quiet();
    // One revoke at a time; the second has a clock of its own, which began no later than the first.
    group.revoked().emits_revoke(&[1]).acknowledges(1, &[0, 1]).answers(assigned(1, &[0])).is_quiet();
    group.revoked().emits_assigned(1, &[], &[0]).acknowledges(1, &[0]).answers(assigned(3, &[0, 2]));
    group.emits_epoch(3, false).emits_assigned(3, &[2], &[0, 2]).acknowledges(3, &[0, 2]);
}

/// It was promised to be given up, so it is: the next owner may count on it. That it comes back is another assignment.
#[test]
fn a_partition_that_comes_back_during_its_drain_is_given_up_and_taken_again() {
    let mut group = Script::with(&[0, 1]);
    group.beats_on(1).answers(assigned(1, &[0])).emits_revoke(&[1]);
    group.beats_on(1).answers(assigned(2, &[0, 1])).emits_epoch(2, false).is_quiet();
    group.revoked().emits_assigned(2, &[1], &[0, 1]);
    // For the coordinator nothing has changed.
    group.is_quiet().beats_on(2);
}

#[test]
fn a_drain_that_takes_too_long_is_lost_and_acknowledged() {
    let mut group = Script::with(&[0, 1]);
    group.beats_on(1).answers(assigned(1, &[0])).emits_revoke(&[1]);
    let give_up = group.calm + REBALANCE - COMMIT;
    while group.now + INTERVAL < give_up {
        group.beats_on(1).answers(alive(1)).is_quiet();
    }
    group.after(give_up - group.now).emits_lost(&[1], LostReason::RevokeTimedOut);
    group.emits_assigned(1, &[], &[0]).acknowledges(1, &[0]).answers(alive(2)).emits_epoch(2, false);
    group.revoked().is_quiet();
}

/// The coordinator's clock began with an answer that was lost.
#[test]
fn the_deadline_of_a_drain_counts_from_the_last_time_at_rest() {
    let mut group = Script::with(&[0, 1]);
    let calm = group.calm;
    group.beats_on(1).answers(CallFailed::Disconnected).emits(GroupEvent::CoordinatorLost);
    group.after(Duration::from_secs(1)).finds_coordinator().tells_all(1, &[0, 1]).answers(assigned(1, &[0]));
    assert_eq!(group.calm, calm);
    group.emits_revoke(&[1]);
}

#[test]
fn an_answer_that_was_lost_is_asked_for_with_everything() {
    let mut group = Script::with(&[0]);
    group.beats_on(1).answers(CallFailed::TimedOut).emits(GroupEvent::CoordinatorLost);
    group.finds_coordinator_again().tells_all(1, &[0]).answers(assigned(2, &[0, 1])).emits_epoch(2, false);
    group.emits_assigned(2, &[1], &[0, 1]).acknowledges(2, &[0, 1]).answers(CallFailed::TimedOut);
    // The acknowledgement as well.
    group.emits(GroupEvent::CoordinatorLost).finds_coordinator_again().tells_all(2, &[0, 1]);
    group.answers(assigned(2, &[0, 1])).is_quiet();
}

#[test]
fn an_acknowledgement_waits_for_the_answer_under_way() {
    let mut group = Script::with(&[0, 1]);
    group.beats_on(1).answers(assigned(1, &[0])).emits_revoke(&[1]).beats_on(1);
    group.revoked().emits_assigned(1, &[], &[0]).is_quiet();
    group.answers(alive(1)).acknowledges(1, &[0]).answers(alive(2)).emits_epoch(2, false).is_quiet();
}

#[test]
fn topics_without_a_name_wait_for_metadata() {
    let mut group = Script::with(&[0]);
    let both = vec![(T, vec![0]), (U, vec![0, 1])];
    group.beats_on(1).answers(assigned_with(2, both)).emits_epoch(2, false);
    group.emits(GroupEvent::NeedTopicNames([U].into())).emits(GroupEvent::Unsettled).is_quiet();
    // Asked again at each heartbeat, and never acknowledged before.
    group.beats_on(2).answers(alive(2)).emits(GroupEvent::NeedTopicNames([U].into())).is_quiet();
    group.names(&[]).is_quiet().names(&[(U, "u")]);
    let assignment = &partitions(&[0]) | &of("u", &[0, 1]);
    group.emits(GroupEvent::Assigned { generation: Generation(2), added: of("u", &[0, 1]), assignment });
    group.emits(GroupEvent::NeedMetadata(topics(&["t", "u"])));
    group.beats();
    assert_eq!(group.request().owned, Some(vec![(T, vec![0]), (U, vec![0, 1])]));
    group.answers(alive(2)).is_quiet();
}

#[test]
fn what_has_a_name_does_not_wait_for_what_has_none() {
    let mut group = Script::with(&[0]);
    let both = vec![(T, vec![0, 1]), (U, vec![0])];
    group.beats_on(1).answers(assigned_with(2, both)).emits_epoch(2, false);
    group.emits_assigned(2, &[1], &[0, 1]).emits(GroupEvent::NeedTopicNames([U].into()));
    group.emits(GroupEvent::Unsettled).acknowledges(2, &[0, 1]).answers(assigned(3, &[0, 1]));
    // It was taken away before it had a name.
    group.emits_epoch(3, false).emits_assigned(3, &[], &[0, 1]).is_quiet();
    group.names(&[(U, "u")]).is_quiet();
}

/// Deleted and created again: the old topic goes before the new one comes, although both have one name.
#[test]
fn a_topic_that_was_created_again_is_given_up_first() {
    let mut group = Script::with(&[0]);
    group.beats_on(1).answers(assigned_with(2, vec![(U, vec![0])])).emits_epoch(2, false);
    group.emits_revoke(&[0]).is_quiet();
    group.names(&[(U, "t")]).is_quiet();
    group.revoked().emits_assigned(2, &[0], &[0]).beats();
    assert_eq!(group.request().owned, Some(vec![(U, vec![0])]));
}

#[test]
fn two_topics_of_one_name_are_not_taken_for_one() {
    let mut group = Script::with(&[0]);
    let both = vec![(T, vec![0]), (U, vec![0])];
    group.beats_on(1).answers(assigned_with(2, both)).emits_epoch(2, false).resolves(&[(U, "t")]).is_quiet();
    assert_eq!(group.group.assignment(), &partitions(&[0]));
    group.beats_on(2).answers(assigned_with(3, vec![(U, vec![0])])).emits_epoch(3, false).emits_revoke(&[0]);
    group.revoked().emits_assigned(3, &[0], &[0]);
}

#[test]
fn what_is_no_partition_is_not_taken() {
    let mut group = Script::with(&[0]);
    let odd = vec![(T, vec![0, -1, i32::MIN]), (TopicId::ZERO, vec![3])];
    group.beats_on(1).answers(assigned_with(1, odd)).is_quiet();
    assert_eq!(group.group.assignment(), &partitions(&[0]));
}

/// Zombies: past the deadline nothing may be handed out. It counts from when an answered request was sent, since answers may
/// wait in a socket while the process stands still.
#[test]
fn a_session_lasts_three_intervals_from_the_last_request_that_was_answered() {
    let mut group = Script::with(&[0]);
    let sent = group.now;
    assert_eq!(group.group.session_deadline(), Some(sent + SESSION));
    group.beats_on(1);
    group.now += Duration::from_secs(100);
    assert_eq!(group.group.session_deadline(), Some(sent + SESSION), "asked is not answered");
    group.answers(alive(1));
    assert_eq!(group.group.session_deadline(), Some(sent + INTERVAL + SESSION));
    assert_eq!(Script::with(&[]).group.session_deadline(), None);
}

/// Whoever does not acknowledge is removed, heartbeats or not.
#[test]
fn a_drain_ends_the_session_at_the_rebalance_timeout() {
    let mut group = Script::with(&[0, 1]);
    group.beats_on(1).answers(assigned(1, &[0])).emits_revoke(&[1]);
    let calm = group.calm;
    while group.now + INTERVAL < calm + REBALANCE - COMMIT {
        group.beats_on(1).answers(alive(1));
    }
    assert_eq!(group.group.session_deadline(), Some(calm + REBALANCE));
}
