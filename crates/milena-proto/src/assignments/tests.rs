use super::*;

const TOPIC: TopicId = TopicId([7; 16]);

fn orders(number: i32) -> TopicPartition {
    TopicPartition::new("orders", number)
}

fn assign(assignments: &mut Assignments, number: i32, generation: i32) -> Stamp {
    assignments.assign(orders(number), TOPIC, Generation(generation))
}

#[test]
fn epochs_rise_and_are_never_used_again() {
    let mut assignments = Assignments::new();
    let mut seen = Vec::new();
    for generation in 1..4 {
        seen.push(assign(&mut assignments, 0, generation).epoch());
        seen.push(assign(&mut assignments, 1, generation).epoch());
        seen.push(assignments.seek(&orders(0)).expect("it is ours").epoch());
        seen.push(assignments.topic_recreated(&orders(1), TOPIC).expect("it is ours").epoch());
        assignments.revoke(&orders(0));
        assignments.lose(&orders(1));
    }
    assert!(seen.is_sorted_by(|before, after| before < after), "{seen:?}");
    assert!(!seen.contains(&AssignmentEpoch(0)));
}

#[test]
fn a_stamp_says_for_good_why_its_epoch_ended() {
    let mut assignments = Assignments::new();
    let revoked = assign(&mut assignments, 0, 1);
    let ended = assignments.revoke(&orders(0)).expect("it was ours");
    assert!(ended.is_same(&revoked));
    let lost = assign(&mut assignments, 0, 2);
    assignments.lose(&orders(0));
    let sought = assign(&mut assignments, 0, 3);
    let recreated = assignments.seek(&orders(0)).expect("it is ours");
    let closed = assignments.topic_recreated(&orders(0), TopicId([8; 16])).expect("it is ours");
    let dropped = assign(&mut assignments, 1, 3);
    assert!(closed.is_current() && closed.may_deliver() && closed.fenced().is_none());
    assignments.end_all(FenceReason::Closed);
    let again = assign(&mut assignments, 0, 4);
    assert!(again.is_current());
    drop(assignments);
    for (stamp, reason) in [
        (revoked, FenceReason::Revoked),
        (lost, FenceReason::Lost),
        (sought, FenceReason::Seek),
        (recreated, FenceReason::TopicRecreated),
        (closed, FenceReason::Closed),
        (dropped, FenceReason::Closed),
        (again, FenceReason::Closed),
    ] {
        assert_eq!(stamp.fenced(), Some(reason), "{stamp:?}");
        assert!(!stamp.is_current() && !stamp.may_deliver() && !stamp.is_draining());
    }
}

#[test]
fn a_partition_that_is_assigned_again_without_a_revoke_was_lost() {
    let mut assignments = Assignments::new();
    let first = assign(&mut assignments, 0, 1);
    let second = assign(&mut assignments, 0, 2);
    assert_eq!(first.fenced(), Some(FenceReason::Lost));
    assert!(second.is_current());
    assert_eq!(assignments.len(), 1);
}

#[test]
fn draining_stops_delivery_and_lets_commits_go_on() {
    let mut assignments = Assignments::new();
    let stamp = assign(&mut assignments, 0, 1);
    assert!(assignments.begin_revoke(&orders(0)));
    assert!(stamp.is_current() && stamp.is_draining() && !stamp.may_deliver());
    assert!(assignments.get(&orders(0)).is_some_and(Assignment::is_draining));
    // A reset that comes late does not bring delivery back.
    let after = assignments.seek(&orders(0)).expect("it is still ours");
    assert!(after.is_current() && !after.may_deliver());
    assert!(!assignments.begin_revoke(&orders(9)));
}

#[test]
fn a_seek_keeps_the_wire_epoch_and_forgets_what_was_accepted() {
    let mut assignments = Assignments::new();
    let before = assign(&mut assignments, 0, 3);
    assert!(assignments.accept(&before, 10));
    assert!(assignments.accept(&before, 9));
    assert_eq!(assignments.get(&orders(0)).and_then(Assignment::accepted), Some(10));
    let after = assignments.seek(&orders(0)).expect("it is ours");
    assert!(!assignments.accept(&before, 20), "that epoch has ended");
    let held = assignments.get(&orders(0)).expect("it is ours");
    assert_eq!((held.accepted(), held.wire_epoch()), (None, Some(Generation(3))));
    assert_eq!((held.epoch(), held.topic_id()), (after.epoch(), TOPIC));
}

#[test]
fn a_topic_id_concerns_its_own_topic_only() {
    let mut assignments = Assignments::new();
    assign(&mut assignments, 0, 1);
    assign(&mut assignments, 1, 1);
    let other = assignments.assign(TopicPartition::new("orders2", 0), TopicId([9; 16]), Generation(1));
    let changed = TopicId([8; 16]);
    assert!(assignments.handle_topic_id(&orders(0).topic, TOPIC).is_empty());
    assert_eq!(assignments.handle_topic_id(&orders(0).topic, changed), [orders(0), orders(1)]);
    assert!(assignments.get(other.partition()).is_some_and(Assignment::is_same_topic));
    assignments.topic_recreated(&orders(0), changed);
    assert_eq!(assignments.handle_topic_id(&orders(0).topic, changed), [orders(1)]);
    // An answer of a version without ids says nothing, and takes nothing back.
    assert!(assignments.handle_topic_id(&orders(0).topic, TopicId::ZERO).is_empty());
    assert!(assignments.get(&orders(1)).is_some_and(|held| !held.is_same_topic()));
}

#[test]
fn what_is_not_ours_has_no_epoch() {
    let mut assignments = Assignments::new();
    assert!(assignments.seek(&orders(0)).is_none());
    assert!(assignments.topic_recreated(&orders(0), TOPIC).is_none());
    assert!(assignments.revoke(&orders(0)).is_none());
    assert!(assignments.stamp(&orders(0)).is_none());
    assert!(!assignments.set_paused(&orders(0), true));
}

#[test]
fn pausing_is_no_new_epoch() {
    let mut assignments = Assignments::new();
    let stamp = assign(&mut assignments, 0, 1);
    assert!(assignments.set_paused(&orders(0), true));
    assert!(assignments.get(&orders(0)).is_some_and(Assignment::is_paused));
    assert!(stamp.may_deliver(), "what was fetched already is the reader's to hold back");
    assignments.set_paused(&orders(0), false);
    assert!(assignments.stamp(&orders(0)).is_some_and(|now| now.is_same(&stamp)));
}
