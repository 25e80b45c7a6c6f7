//! A classic member in a group that speaks the consumer protocol (KIP-848): the coordinator plays the leader.

use super::*;

/// JoinGroup's answer there: nobody leads.
fn joined(group: &Script, generation: i32) -> JoinGroupResponse {
    JoinGroupResponse { leader: String::new(), ..group.follows(generation) }
}

#[test]
fn what_it_had_is_lost_if_its_session_was_over_when_it_joined() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0, 1]);
    group.hears_of_rebalance().sends(GroupApi::JoinGroup).emits_joining();
    // On its way for longer than the session: the coordinator had removed the member when it came.
    group.after(SESSION);
    let answer = joined(&group, 7);
    group.answers(answer).emits_lost(&[0, 1], LostReason::UnknownMember).sends(GroupApi::SyncGroup);
    group.answers(synced(&[1])).emits_stable(7).emits_assigned(7, &[1], &[1]).is_quiet();
}

#[test]
fn in_time_it_keeps_what_it_has() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0, 1]);
    group.hears_of_rebalance().sends(GroupApi::JoinGroup).emits_joining();
    group.after(SESSION - Duration::from_secs(1));
    let answer = joined(&group, 7);
    group.answers(answer).sends(GroupApi::SyncGroup).answers(synced(&[0, 1]));
    group.emits_stable(7).emits_assigned(7, &[], &[0, 1]).is_quiet();
}

/// A coordinator of a classic group waits for the others before it answers, and counts the member meanwhile.
#[test]
fn a_classic_group_may_take_longer() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[0, 1]);
    group.hears_of_rebalance().sends(GroupApi::JoinGroup).emits_joining();
    group.after(SESSION);
    let answer = group.follows(7);
    group.answers(answer).sends(GroupApi::SyncGroup).answers(synced(&[0, 1]));
    group.emits_stable(7).emits_assigned(7, &[], &[0, 1]).is_quiet();
}
