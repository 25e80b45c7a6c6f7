use super::*;
use crate::group::{GroupError, JoinReason};

#[test]
fn a_new_member_gets_its_id_first_and_its_partitions_then() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    assert_eq!(group.last_join().0.member_id, "");
    // KIP-394.
    group.answers(member_id_required("m1")).sends(GroupApi::JoinGroup);
    group.emits(GroupEvent::Joining { reason: JoinReason::MemberIdRequired });
    assert_eq!(group.last_join().0.member_id, "m1");
    let joined = group.follows(1);
    group.answers(joined).sends(GroupApi::SyncGroup);
    let (sync, assignments) = group.last_sync();
    assert_eq!((sync.generation, &*sync.member_id), (Generation(1), "m1"));
    assert_eq!(sync.protocol_name.as_deref(), Some("range"));
    assert!(assignments.is_empty());
    assert_eq!(group.group.snapshot(), None, "no commit before the assignment is known");
    group.answers(synced(&[0, 2])).emits_stable(1).emits_assigned(1, &[0, 2], &[0, 2]).is_quiet();
    let member = group.group.snapshot().unwrap();
    assert_eq!((&*member.member_id, member.generation), ("m1", Generation(1)));
    assert_eq!(*group.group.assignment(), partitions(&[0, 2]));
}

#[test]
fn a_member_of_an_old_broker_gets_in_at_once() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    let joined = group.follows(1);
    group.answers(joined).sends(GroupApi::SyncGroup).answers(synced(&[0]));
    group.emits_stable(1).emits_assigned(1, &[0], &[0]).is_quiet();
}

#[test]
fn the_first_assignment_may_be_empty() {
    let mut group = Script::syncing(settings(AssignorKind::CooperativeSticky));
    group.answers(synced(&[])).emits_stable(1).emits_assigned(1, &[], &[]).is_quiet();
    assert_eq!(group.group.session_deadline(), None, "there is nothing to hand out");
}

#[test]
fn a_leader_that_forgot_us_assigned_nothing() {
    let mut group = Script::syncing(settings(AssignorKind::Range));
    group.answers(SyncGroupResponse::default()).emits_stable(1).emits_assigned(1, &[], &[]).is_quiet();
}

#[test]
fn join_says_what_we_offer_and_how_long_it_may_take() {
    let mut settings = settings(AssignorKind::Range);
    settings.assignors = vec![AssignorKind::Range, AssignorKind::CooperativeSticky];
    settings.rack = Some("r1".to_owned());
    settings.group_instance_id = Some("i1".to_owned());
    let group = Script::joining(settings);
    assert_eq!(group.last_call().timeout, REBALANCE + Duration::from_secs(5));
    let (join, subscription) = group.last_join();
    assert_eq!(join.group_id, "g");
    assert_eq!(join.protocol_type, "consumer");
    assert_eq!((join.session_timeout_ms, join.rebalance_timeout_ms), (45_000, 60_000));
    assert_eq!(join.group_instance_id.as_deref(), Some("i1"));
    let names: Vec<_> = join.protocols.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["range", "cooperative-sticky"]);
    let ours =
        Subscription { topics: vec!["t".into()], rack: Some("r1".to_owned()), ..Subscription::default() };
    assert_eq!(subscription, ours);
    let sticky = Subscription { user_data: Some(Bytes::from_static(&[0xff; 4])), ..ours };
    assert_eq!(Subscription::decode(join.protocols[1].1.clone()), Ok(sticky));
}

#[test]
fn settings_without_end_do_not_overflow() {
    let mut settings = settings(AssignorKind::Range);
    settings.rebalance_timeout = Duration::MAX;
    settings.session_timeout = Duration::MAX;
    settings.heartbeat_interval = Duration::MAX;
    settings.request_timeout = Duration::MAX;
    let mut group = Script::stable_with(settings, &[0]);
    group.after(REBALANCE).leaves();
    assert!(matches!(group.events.pop_front(), Some(GroupEvent::Revoke { .. })));
    group.revoked().sends(GroupApi::LeaveGroup);
}

#[test]
fn a_forgotten_member_joins_as_a_new_one() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    group.answers(member_id_required("m0")).sends(GroupApi::JoinGroup).emits_joining();
    group.answers(join_refused(ErrorCode::UNKNOWN_MEMBER_ID)).sends(GroupApi::JoinGroup).emits_joining();
    assert_eq!(group.last_join().0.member_id, "");
    group.answers(member_id_required("m1")).sends(GroupApi::JoinGroup).emits_joining().is_quiet();
    assert_eq!(group.last_join().0.member_id, "m1");
}

#[test]
fn a_coordinator_that_never_agrees_is_not_asked_in_a_hot_loop() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    let mut asked = 0;
    let end = group.now + Duration::from_secs(10);
    while group.now < end {
        group.answers(if asked % 2 == 0 {
            member_id_required("m1")
        } else {
            join_refused(ErrorCode::UNKNOWN_MEMBER_ID)
        });
        while group.calls.is_empty() {
            group.after(Duration::from_millis(10));
        }
        group.sends(GroupApi::JoinGroup);
        asked += 1;
    }
    assert!((10..25).contains(&asked), "{asked} tries in 10 s");
}

#[test]
fn an_old_leaders_sync_refused_again_and_again_is_not_a_hot_loop() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    let mut rounds = 0;
    let end = group.now + Duration::from_secs(10);
    while group.now < end {
        let joined = group.follows(rounds);
        group
            .answers(joined)
            .sends(GroupApi::SyncGroup)
            .answers(sync_refused(ErrorCode::REBALANCE_IN_PROGRESS));
        while group.calls.is_empty() {
            group.after(Duration::from_millis(10));
        }
        group.sends(GroupApi::JoinGroup);
        rounds += 1;
    }
    assert!((10..25).contains(&rounds), "{rounds} tries in 10 s");
}

#[test]
fn a_loading_coordinator_is_asked_again_after_a_pause_by_the_same_member() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    group.answers(member_id_required("m1")).sends(GroupApi::JoinGroup).emits_joining();
    for _ in 0..5 {
        group.answers(join_refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS)).is_quiet();
        group.after(Duration::from_secs(1)).sends(GroupApi::JoinGroup).emits_joining();
        assert_eq!(group.last_join().0.member_id, "m1");
    }
}

#[test]
fn another_coordinator_is_found_and_asked_by_the_same_member() {
    for error in [ErrorCode::NOT_COORDINATOR, ErrorCode::COORDINATOR_NOT_AVAILABLE] {
        let mut group = Script::joining(settings(AssignorKind::Range));
        group.answers(member_id_required("m1")).sends(GroupApi::JoinGroup).emits_joining();
        group.answers(join_refused(error)).emits(GroupEvent::CoordinatorLost).is_quiet();
        assert_eq!(group.group.coordinator(), None);
        group.finds_coordinator_again().sends(GroupApi::JoinGroup).emits_joining().is_quiet();
        assert_eq!(group.last_join().0.member_id, "m1");
    }
}

#[test]
fn a_join_without_an_answer_is_sent_again_by_the_same_member() {
    for failed in [CallFailed::Disconnected, CallFailed::TimedOut, CallFailed::Malformed] {
        let mut group = Script::joining(settings(AssignorKind::Range));
        group.answers(member_id_required("m1")).sends(GroupApi::JoinGroup).emits_joining();
        group.answers(failed).emits(GroupEvent::CoordinatorLost).is_quiet();
        group.finds_coordinator_again().sends(GroupApi::JoinGroup);
        group.emits(GroupEvent::Joining {
            reason: JoinReason::Unanswered { api: GroupApi::JoinGroup, failed },
        });
        assert_eq!(group.last_join().0.member_id, "m1");
    }
}

#[test]
fn an_answer_to_an_abandoned_join_is_dropped() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    group.answers(member_id_required("m1")).sends(GroupApi::JoinGroup).emits_joining();
    let old = group.last_id();
    group.coordinator_lost();
    let joined = group.follows(4);
    group.answer(old, joined).is_quiet();
    assert_eq!(group.group.snapshot(), None);
    group.finds_coordinator_again().sends(GroupApi::JoinGroup).emits_joining();
}

#[test]
fn the_member_id_in_the_answer_to_an_abandoned_join_is_kept() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    let old = group.last_id();
    group.coordinator_lost();
    group.answer(old, member_id_required("m7")).is_quiet();
    group.answer(old, member_id_required("m8")).is_quiet();
    group.finds_coordinator_again().sends(GroupApi::JoinGroup).emits_joining();
    assert_eq!(group.last_join().0.member_id, "m7");
}

#[test]
fn the_member_id_of_an_abandoned_join_is_not_taken_while_another_one_is_under_way() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    let old = group.last_id();
    group.coordinator_lost().finds_coordinator_again().sends(GroupApi::JoinGroup).emits_joining();
    group
        .answer(old, member_id_required("m7"))
        .answers(join_refused(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
    group.after(Duration::from_secs(1)).sends(GroupApi::JoinGroup).emits_joining();
    assert_eq!(group.last_join().0.member_id, "");
}

#[test]
fn an_answer_to_another_api_is_as_good_as_none() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    group.answers(heartbeat(ErrorCode::NONE)).emits(GroupEvent::CoordinatorLost).is_quiet();
    group.finds_coordinator_again().sends(GroupApi::JoinGroup);
}

#[test]
fn a_joined_member_needs_a_generation_and_an_id() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    let joined = JoinGroupResponse { generation: -1, ..group.follows(0) };
    group.answers(joined).emits(GroupEvent::CoordinatorLost).is_quiet();
    group.finds_coordinator_again().sends(GroupApi::JoinGroup).emits_joining();
    let joined = JoinGroupResponse { member_id: String::new(), ..group.follows(0) };
    group.answers(joined).emits(GroupEvent::CoordinatorLost).is_quiet();
}

#[test]
fn errors_that_no_try_cures_end_the_member() {
    let group_id = || "g".to_owned();
    let cases = [
        (ErrorCode::GROUP_AUTHORIZATION_FAILED, GroupError::Unauthorized { group_id: group_id() }),
        (ErrorCode::INVALID_GROUP_ID, GroupError::InvalidGroupId { group_id: group_id() }),
        (ErrorCode::GROUP_MAX_SIZE_REACHED, GroupError::GroupMaxSizeReached { group_id: group_id() }),
        (
            ErrorCode::INVALID_SESSION_TIMEOUT,
            GroupError::InvalidSessionTimeout { session_timeout_ms: 45_000 },
        ),
        (
            ErrorCode::INCONSISTENT_GROUP_PROTOCOL,
            GroupError::InconsistentGroupProtocol { assignors: vec![AssignorKind::Range] },
        ),
        (ErrorCode::UNSUPPORTED_VERSION, GroupError::Unsupported { api: GroupApi::JoinGroup }),
        (ErrorCode(9999), GroupError::Unexpected { api: GroupApi::JoinGroup, error: ErrorCode(9999) }),
    ];
    for (error, fatal) in cases {
        let mut group = Script::joining(settings(AssignorKind::Range));
        group.answers(join_refused(error)).emits(GroupEvent::Fatal { error: fatal }).is_quiet();
        group.after(Duration::from_secs(600)).subscribes(&["u"]).is_quiet();
        group.leaves().emits(GroupEvent::Left).is_quiet();
    }
}

#[test]
fn a_sync_that_is_refused_for_good_ends_the_member() {
    for error in
        [ErrorCode::GROUP_AUTHORIZATION_FAILED, ErrorCode::INCONSISTENT_GROUP_PROTOCOL, ErrorCode(9999)]
    {
        let mut group = Script::syncing(settings(AssignorKind::Range));
        group.answers(sync_refused(error));
        assert!(matches!(group.events.pop_front(), Some(GroupEvent::Fatal { .. })), "{error}");
        group.is_quiet();
    }
    let mut group = Script::syncing(settings(AssignorKind::Range));
    group.answers(CallFailed::Unsupported);
    group.emits(GroupEvent::Fatal { error: GroupError::Unsupported { api: GroupApi::SyncGroup } }).is_quiet();
}

#[test]
fn a_coordinator_that_stumbles_over_a_sync_is_joined_again_after_a_pause() {
    for error in [ErrorCode::UNKNOWN_SERVER_ERROR, ErrorCode::COORDINATOR_LOAD_IN_PROGRESS] {
        let mut group = Script::syncing(settings(AssignorKind::Range));
        group.answers(sync_refused(error)).is_quiet();
        group.after(Duration::from_secs(1)).sends(GroupApi::JoinGroup).emits_joining().is_quiet();
        assert_eq!(group.last_join().0.member_id, "m1");
    }
}

#[test]
fn a_static_member_whose_place_was_taken_ends() {
    let mut settings = settings(AssignorKind::Range);
    settings.group_instance_id = Some("i1".to_owned());
    let fatal =
        GroupEvent::Fatal { error: GroupError::FencedInstanceId { group_instance_id: "i1".to_owned() } };
    let mut group = Script::joining(settings.clone());
    group.answers(join_refused(ErrorCode::FENCED_INSTANCE_ID)).emits(fatal.clone()).is_quiet();
    let mut group = Script::syncing(settings);
    group.answers(sync_refused(ErrorCode::FENCED_INSTANCE_ID)).emits(fatal).is_quiet();
}

#[test]
fn a_search_that_is_not_allowed_ends_the_member() {
    let mut group = Script::new(settings(AssignorKind::Range));
    group.subscribes(&["t"]).emits(GroupEvent::NeedMetadata(topics(&["t"])));
    group.sends(GroupApi::FindCoordinator).answers(not_found(ErrorCode::GROUP_AUTHORIZATION_FAILED));
    group
        .emits(GroupEvent::Fatal { error: GroupError::Unauthorized { group_id: "g".to_owned() } })
        .is_quiet();
}

#[test]
fn the_search_goes_on_with_pauses_until_there_is_a_coordinator() {
    let mut group = Script::new(settings(AssignorKind::Range));
    group.subscribes(&["t"]).emits(GroupEvent::NeedMetadata(topics(&["t"]))).sends(GroupApi::FindCoordinator);
    let mut asked = 0;
    let end = group.now + Duration::from_secs(10);
    while group.now < end {
        match asked % 3 {
            0 => group.answers(not_found(ErrorCode::COORDINATOR_NOT_AVAILABLE)),
            1 => group.answers(CallFailed::Disconnected),
            // Neither an error nor a coordinator.
            _ => group.answers(FindCoordinatorResponse::default()),
        };
        group.is_quiet().after(Duration::from_secs(1)).sends(GroupApi::FindCoordinator);
        asked += 1;
    }
    group.answers(found()).emits(GroupEvent::CoordinatorFound(coordinator())).sends(GroupApi::JoinGroup);
}

#[test]
fn a_broker_without_the_api_ends_the_member() {
    let mut group = Script::joining(settings(AssignorKind::Range));
    group.answers(CallFailed::Unsupported);
    group.emits(GroupEvent::Fatal { error: GroupError::Unsupported { api: GroupApi::JoinGroup } }).is_quiet();
}

#[test]
fn an_assignor_that_we_did_not_offer_ends_the_member() {
    for (name, fatal) in [(Some("sticky"), "sticky"), (None, "")] {
        let mut group = Script::joining(settings(AssignorKind::Range));
        let joined = JoinGroupResponse { protocol_name: name.map(str::to_owned), ..group.follows(1) };
        group.answers(joined);
        group
            .emits(GroupEvent::Fatal { error: GroupError::UnknownAssignor { name: fatal.to_owned() } })
            .is_quiet();
    }
    let fatal = GroupError::InconsistentGroupProtocol { assignors: vec![AssignorKind::Range] };
    let mut group = Script::joining(settings(AssignorKind::Range));
    let joined = JoinGroupResponse { protocol_type: Some("connect".to_owned()), ..group.follows(1) };
    group.answers(joined).emits(GroupEvent::Fatal { error: fatal.clone() }).is_quiet();
    let mut group = Script::syncing(settings(AssignorKind::Range));
    let synced = SyncGroupResponse { protocol_name: Some("sticky".to_owned()), ..synced(&[0]) };
    group.answers(synced).emits(GroupEvent::Fatal { error: fatal }).is_quiet();
}

#[test]
fn an_assignment_that_cannot_be_read_ends_the_member() {
    let mut group = Script::syncing(settings(AssignorKind::Range));
    group.answers(SyncGroupResponse { assignment: Bytes::from_static(&[0]), ..SyncGroupResponse::default() });
    group.emits(GroupEvent::Fatal { error: GroupError::MalformedAssignment }).is_quiet();
}

#[test]
fn what_was_not_asked_for_is_not_taken() {
    let mut group = Script::syncing(settings(AssignorKind::Range));
    let mut assigned = partitions(&[0, -1]);
    assigned.insert(TopicPartition::new("other", 0));
    group.answers(synced_with(assigned)).emits_stable(1).emits_assigned(1, &[0], &[0]).is_quiet();
}

#[test]
fn a_group_that_rebalances_before_we_are_synced_is_joined_again() {
    let mut group = Script::syncing(settings(AssignorKind::Range));
    group.answers(sync_refused(ErrorCode::REBALANCE_IN_PROGRESS)).sends(GroupApi::JoinGroup);
    group.emits(GroupEvent::Joining { reason: JoinReason::Rebalancing }).is_quiet();
    let (join, subscription) = group.last_join();
    assert_eq!(join.member_id, "m1");
    // The generation joined last, though its assignment never came: as Java.
    assert_eq!(subscription.generation, Some(Generation(1)));
}

#[test]
fn a_sync_without_an_answer_is_joined_again_by_the_same_member() {
    let mut group = Script::syncing(settings(AssignorKind::Range));
    group.answers(CallFailed::Disconnected).emits(GroupEvent::CoordinatorLost).is_quiet();
    group.finds_coordinator_again().sends(GroupApi::JoinGroup).emits_joining();
    assert_eq!(group.last_join().0.member_id, "m1");
}

#[test]
fn a_subscription_that_changes_while_joining_is_joined_with_afterwards() {
    let mut group = Script::syncing(settings(AssignorKind::Range));
    group.subscribes(&["u"]).emits(GroupEvent::NeedMetadata(topics(&["u"]))).is_quiet();
    group.answers(synced(&[0])).sends(GroupApi::JoinGroup);
    group.emits(GroupEvent::Joining { reason: JoinReason::SubscriptionChanged }).is_quiet();
    assert_eq!(group.last_join().1.topics, [TopicName::from("u")]);
}

#[test]
fn the_coordinator_is_told_why_we_join_again() {
    let mut group = Script::stable(AssignorKind::CooperativeSticky, &[]);
    group.hears_of_rebalance().sends(GroupApi::JoinGroup).emits_joining();
    assert_eq!(group.last_join().0.reason.as_deref(), Some("group is already rebalancing"));
}

/// Found by a broker that lies (`tests/hostile`): it answers FindCoordinator and JoinGroup, and loses every SyncGroup. Each
/// JoinGroup that was answered began the back-off anew, which made forty requests a second.
#[test]
fn a_coordinator_that_loses_every_sync_group_is_asked_ever_more_seldom() {
    let mut group = Script::syncing(settings(AssignorKind::Range));
    let mut pauses = Vec::new();
    for generation in 2..8 {
        group.answers(CallFailed::Disconnected).emits(GroupEvent::CoordinatorLost);
        let pause = group.group.poll_timeout().expect("it looks for the coordinator again") - group.now;
        pauses.push(pause);
        group.after(pause).sends(GroupApi::FindCoordinator).answers(found());
        group.emits(GroupEvent::CoordinatorFound(coordinator())).sends(GroupApi::JoinGroup).emits_joining();
        let joined = group.follows(generation);
        group.answers(joined).sends(GroupApi::SyncGroup);
    }
    assert!(pauses[5] > pauses[0] * 4, "{pauses:?}");
    // Once it is stable, a lost coordinator is looked for soon.
    group.answers(synced(&[0])).emits_stable(7).emits_assigned(7, &[0], &[0]).coordinator_lost();
    assert!(group.group.poll_timeout().unwrap() - group.now < pauses[0] * 2);
}
