use super::*;

#[test]
fn a_member_joins_with_an_id_of_its_own_and_says_everything() {
    let mut settings = settings();
    settings.rack = Some("r1".to_owned());
    settings.remote_assignor = Some("range".to_owned());
    settings.group_instance_id = Some("i1".to_owned());
    let mut group = Script::joining(settings);
    let request = group.request();
    assert_eq!((request.member_id.len(), request.member_epoch), (22, Generation(0)));
    assert_eq!(request.owned, Some(vec![]), "who joins has nothing");
    assert_eq!((request.topics, request.pattern), (Some(vec!["t".into()]), None));
    assert_eq!((request.rack.as_deref(), request.assignor.as_deref()), (Some("r1"), Some("range")));
    assert_eq!((request.group_instance_id.as_deref(), request.rebalance_timeout_ms), (Some("i1"), 60_000));
    assert_eq!(group.group.snapshot(), None);
    group.answers(assigned(3, &[0, 1])).emits_epoch(3, true).resolves(&[(T, "t")]);
    group.emits_assigned(3, &[0, 1], &[0, 1]).acknowledges(3, &[0, 1]);
    let snapshot = group.group.snapshot().unwrap();
    assert_eq!((snapshot.member_id, snapshot.generation), (request.member_id, Generation(3)));
    assert_eq!(snapshot.group_instance_id.as_deref(), Some("i1"));
    let request = group.request();
    assert_eq!(
        (request.rack, request.assignor, request.group_instance_id.as_deref()),
        (None, None, Some("i1"))
    );
    group.answers(alive(3)).is_quiet().beats_on(3).is_quiet().answers(alive(3)).beats_on(3);
}

/// Coordinators as from 4.3 assign up to a second after the join, and say so in the next answer only.
#[test]
fn a_newcomer_with_nothing_asks_again_soon_and_then_settles() {
    let mut group = Script::with(&[]);
    let soon = Duration::from_millis(1_050);
    group.after(soon - Duration::from_millis(1)).is_quiet();
    group.after(Duration::from_millis(1)).beats().answers(alive(1)).is_quiet();
    group.after(soon).beats().answers(assigned(2, &[0])).emits_epoch(2, false);
    group.resolves(&[(T, "t")]).emits_assigned(2, &[0], &[0]);
    group.acknowledges(2, &[0]).answers(alive(2)).is_quiet().beats_on(2);

    let mut group = Script::with(&[]);
    for _ in 0..2 {
        group.after(soon).beats().answers(alive(1)).is_quiet();
    }
    group.after(soon).beats().answers(alive(1)).emits(GroupEvent::Settled).is_quiet();
    group.beats_on(1).answers(alive(1)).is_quiet();
}

#[test]
fn the_interval_is_what_the_coordinator_last_said() {
    let mut group = Script::with(&[0]);
    let answer = |interval| ConsumerGroupHeartbeatResponse { heartbeat_interval_ms: interval, ..alive(1) };
    group.beats_on(1).answers(answer(700)).after(Duration::from_millis(699)).is_quiet();
    group.after(Duration::from_millis(1)).beats().answers(answer(9000));
    group.after(Duration::from_millis(8999)).is_quiet().after(Duration::from_millis(1)).beats();
    // Nonsense changes nothing, and nobody is asked without a pause.
    for nonsense in [0, -1, i32::MIN] {
        group.answers(answer(nonsense)).after(Duration::from_millis(8999)).is_quiet();
        group.after(Duration::from_millis(1)).beats();
    }
    group
        .answers(answer(1))
        .after(Duration::from_millis(49))
        .is_quiet()
        .after(Duration::from_millis(1))
        .beats();
}

/// The coordinator may have counted it in: whoever asks again is the same member.
#[test]
fn a_join_without_an_answer_is_made_again_by_the_same_member() {
    for failed in [CallFailed::Disconnected, CallFailed::TimedOut, CallFailed::Malformed] {
        let mut group = Script::joining(settings());
        let first = group.request();
        group.answers(failed).emits(GroupEvent::CoordinatorLost).is_quiet().finds_coordinator_again();
        group.tells_all(0, &[]).emits_joining();
        assert_eq!(group.request(), first);
        group.answers(assigned(2, &[0])).emits_epoch(2, true);
    }
}

#[test]
fn a_coordinator_that_is_another_one_is_looked_for_and_told_everything() {
    for error in [ErrorCode::NOT_COORDINATOR, ErrorCode::COORDINATOR_NOT_AVAILABLE] {
        let mut group = Script::joining(settings());
        group.answers(error).emits(GroupEvent::CoordinatorLost).is_quiet().finds_coordinator_again();
        group.tells_all(0, &[]).emits_joining();

        let mut group = Script::with(&[0, 1]);
        group.beats_on(1).answers(error).emits(GroupEvent::CoordinatorLost).is_quiet();
        assert!(group.group.snapshot().is_some(), "it is a member all the time");
        group.finds_coordinator_again().tells_all(1, &[0, 1]).answers(assigned(1, &[0, 1])).is_quiet();
        group.beats_on(1);
    }
}

#[test]
fn what_passes_is_tried_again_after_a_pause() {
    for error in [ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, ErrorCode::UNKNOWN_SERVER_ERROR] {
        let mut group = Script::joining(settings());
        group.answers(error).is_quiet().after(Duration::from_millis(200)).tells_all(0, &[]).emits_joining();
        group.answers(assigned(1, &[0]));

        let mut group = Script::with(&[0]);
        group.beats_on(1).answers(error).is_quiet();
        group.after(Duration::from_millis(200)).tells_all(1, &[0]).answers(error).is_quiet();
        group.after(Duration::from_millis(400)).tells_all(1, &[0]).answers(alive(1)).beats_on(1);
    }
}

#[test]
fn a_missing_right_is_told_and_waited_for() {
    let mut group = Script::with(&[0]);
    let error = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
    group.beats_on(1).answers(error).emits(GroupEvent::Refused {
        api: GroupApi::ConsumerGroupHeartbeat,
        error,
        message: Some("says the broker".to_owned()),
    });
    group.is_quiet().after(Duration::from_millis(200)).tells_all(1, &[0]).answers(alive(1)).is_quiet();
}

#[test]
fn what_does_not_pass_ends_the_member_with_its_reason() {
    type Test = fn(&GroupError) -> bool;
    let errors: [(ErrorCode, Test); 9] = [
        (ErrorCode::GROUP_AUTHORIZATION_FAILED, |error| matches!(error, GroupError::Unauthorized { .. })),
        (ErrorCode::INVALID_GROUP_ID, |error| matches!(error, GroupError::InvalidGroupId { .. })),
        (ErrorCode::GROUP_MAX_SIZE_REACHED, |error| matches!(error, GroupError::GroupMaxSizeReached { .. })),
        (
            ErrorCode::UNSUPPORTED_ASSIGNOR,
            |error| matches!(error, GroupError::UnsupportedAssignor { message, .. } if message == "says the broker"),
        ),
        (
            ErrorCode::INVALID_REQUEST,
            |error| matches!(error, GroupError::InvalidRequest { message, .. } if message == "says the broker"),
        ),
        (ErrorCode::INVALID_REGULAR_EXPRESSION, |error| matches!(error, GroupError::InvalidPattern { .. })),
        (ErrorCode::UNSUPPORTED_VERSION, |error| matches!(error, GroupError::Unsupported { .. })),
        (ErrorCode::GROUP_ID_NOT_FOUND, |error| matches!(error, GroupError::NotAConsumerGroup { .. })),
        (ErrorCode(9999), |error| matches!(error, GroupError::Unexpected { .. })),
    ];
    for (code, fits) in errors {
        let mut group = Script::joining(settings());
        let error = group.answers(code).emits_fatal();
        assert!(fits(&error), "{code}: {error}");
        group.is_over();

        let mut group = Script::with(&[0]);
        group.beats_on(1).answers(code).emits_lost(&[0], LostReason::Fatal);
        let error = group.emits_fatal();
        assert!(fits(&error), "{code}: {error}");
        group.is_over();
    }
}

/// A process that was killed leaves its place taken until its session ends.
#[test]
fn a_namesake_is_waited_for_but_not_for_ever() {
    let mut settings = settings();
    settings.group_instance_id = Some("i1".to_owned());
    settings.session_timeout = Duration::from_secs(10);
    let unreleased = ErrorCode::UNRELEASED_INSTANCE_ID;

    let mut group = Script::joining(settings.clone());
    group.answers(unreleased).is_quiet().after(Duration::from_millis(300)).tells_all(0, &[]).emits_joining();
    group.answers(assigned(4, &[0])).emits_epoch(4, true);

    let mut group = Script::joining(settings);
    let start = group.now;
    let mut tries = 1;
    loop {
        group.answers(unreleased);
        if group.calls.is_empty() && !group.events.is_empty() {
            break;
        }
        group.after(Duration::from_millis(1200)).beats().emits_joining();
        tries += 1;
    }
    assert!(
        matches!(group.emits_fatal(), GroupError::UnreleasedInstanceId { group_instance_id } if group_instance_id == "i1")
    );
    let took = group.now - start;
    assert!((Duration::from_secs(10)..Duration::from_secs(13)).contains(&took), "{took:?}");
    assert!((8..30).contains(&tries), "{tries}");
    group.is_over();
}

fn else_classic() -> GroupSettings {
    GroupSettings { protocol: GroupProtocol::ConsumerElseClassic, ..settings() }
}

#[test]
fn where_there_is_no_consumer_protocol_the_classic_one_is_spoken() {
    let answers = [
        Answer::from(CallFailed::Unsupported),
        ErrorCode::UNSUPPORTED_VERSION.into(),
        ErrorCode::GROUP_ID_NOT_FOUND.into(),
    ];
    for answer in answers {
        let mut group = Script::joining(else_classic());
        group.group.handle_partition_counts(group.now, &BTreeMap::from([("t".into(), 3)]));
        let id = group.last_call().id;
        assert!(group.group.has_member_epoch());
        group.answers(answer);
        assert!(matches!(group.events.pop_front(), Some(GroupEvent::FellBack { .. })));
        assert!(!group.group.has_member_epoch());
        group.emits(GroupEvent::NeedMetadata(topics(&["t"])));
        group.sends(GroupApi::JoinGroup).emits_joining().is_quiet();
        assert!(group.last_call().id > id, "numbers of calls are not used twice");
    }
    // Without the fallback it is an error.
    let mut group = Script::joining(settings());
    let error = group.answers(CallFailed::Unsupported).emits_fatal();
    assert_eq!(error, GroupError::Unsupported { api: GroupApi::ConsumerGroupHeartbeat });
    group.is_over();
}

#[test]
fn who_was_a_member_once_does_not_flap() {
    for code in [ErrorCode::UNSUPPORTED_VERSION, ErrorCode::GROUP_ID_NOT_FOUND] {
        let mut group = Script::with_settings(else_classic(), &[0]);
        group.beats_on(1).answers(ErrorCode::UNKNOWN_MEMBER_ID).emits_lost(&[0], LostReason::UnknownMember);
        group.tells_all(0, &[]).emits_joining().answers(code).emits_fatal();
        group.is_over();
    }
}

#[test]
fn an_answer_that_nobody_waits_for_is_dropped() {
    let mut group = Script::with(&[0]);
    group.beats_on(1);
    let old = group.last_call().id;
    group.coordinator_lost().answer(old, assigned(2, &[])).is_quiet();
    group.finds_coordinator_again().tells_all(1, &[0]).answers(assigned(1, &[0])).is_quiet();
    group.answer(old, ErrorCode::FENCED_MEMBER_EPOCH).answer(RequestId(999), ErrorCode::UNKNOWN_MEMBER_ID);
    group.is_quiet();
}

/// An answer of another API, or one with an epoch that is none, is as good as garbage.
#[test]
fn nonsense_is_no_answer() {
    for answer in [Answer::from(found()), assigned(0, &[0]).into(), assigned(-1, &[0]).into()] {
        let mut group = Script::joining(settings());
        group.answers(answer).emits(GroupEvent::CoordinatorLost).is_quiet();
        group.finds_coordinator_again().tells_all(0, &[]);
    }
}

#[test]
fn before_version_1_the_coordinator_may_name_the_member() {
    let mut group = Script::joining(settings());
    group.answers(ConsumerGroupHeartbeatResponse { member_id: Some("m7".to_owned()), ..assigned(1, &[0]) });
    group.emits_epoch(1, true);
    assert_eq!(group.group.snapshot().unwrap().member_id, "m7");
    group.resolves(&[(T, "t")]).emits_assigned(1, &[0], &[0]).acknowledges(1, &[0]);
    assert_eq!(group.request().member_id, "m7");
}
