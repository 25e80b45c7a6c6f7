use super::*;

#[test]
fn another_subscription_is_told_at_once() {
    let mut group = Script::with(&[0]);
    group.after(Duration::from_secs(1)).subscribes(&["t", "u"]);
    group.emits(GroupEvent::NeedMetadata(topics(&["t", "u"]))).beats().is_quiet();
    let request = group.request();
    assert_eq!((request.topics, request.owned), (Some(vec!["t".into(), "u".into()]), None));
    group.answers(alive(2)).emits_epoch(2, false).is_quiet().beats_on(2);
}

/// The coordinator takes away what is no longer wanted, as it does with anything.
#[test]
fn a_topic_that_is_dropped_is_revoked_by_the_coordinator() {
    let mut group = Script::with(&[0]);
    group.subscribes(&["u"]).emits(GroupEvent::NeedMetadata(topics(&["t", "u"]))).beats().is_quiet();
    group.answers(assigned(1, &[])).emits_revoke(&[0]);
    group.revoked().emits_assigned(1, &[], &[]).emits(GroupEvent::NeedMetadata(topics(&["u"])));
    group.acknowledges(1, &[]);
}

#[test]
fn a_subscription_that_changes_while_a_heartbeat_is_under_way_is_told_by_the_next() {
    let mut group = Script::joining(settings());
    group.subscribes(&["t", "u"]).emits(GroupEvent::NeedMetadata(topics(&["t", "u"]))).is_quiet();
    group
        .answers(assigned(1, &[]))
        .emits_epoch(1, true)
        .emits_assigned(1, &[], &[])
        .emits(GroupEvent::Unsettled);
    group.beats().is_quiet();
    assert_eq!(group.request().topics, Some(vec!["t".into(), "u".into()]));
}

#[test]
fn without_a_subscription_the_member_leaves_and_can_come_back() {
    let mut settings = settings();
    settings.group_instance_id = Some("i1".to_owned());
    let mut group = Script::with_settings(settings, &[0]);
    group.subscribes(&[]).emits_revoke(&[0]).revoked().beats();
    assert_eq!(
        group.request().member_epoch,
        Generation(-1),
        "a static one as well: it does not mean to come back"
    );
    group.answers(alive(-1)).emits(GroupEvent::NeedMetadata(topics(&[]))).is_quiet();
    group
        .subscribes(&["t"])
        .emits(GroupEvent::NeedMetadata(topics(&["t"])))
        .tells_all(0, &[])
        .emits_joining();
    group.answers(assigned(3, &[0])).emits_epoch(3, true);

    // Before it was heard: it joins as soon as it is out.
    let mut group = Script::with(&[]);
    group.subscribes(&[]).emits(GroupEvent::NeedMetadata(topics(&[]))).beats();
    group.subscribes(&["t"]).emits(GroupEvent::NeedMetadata(topics(&["t"]))).is_quiet();
    group.answers(alive(-1)).tells_all(0, &[]).emits_joining();
}

#[test]
fn a_pattern_is_the_coordinators_to_resolve() {
    let mut group = Script::new(settings());
    group.matches(Some("t.*")).finds_coordinator().beats().emits_joining();
    let request = group.request();
    assert_eq!((request.pattern.as_deref(), request.topics), (Some("t.*"), Some(vec![])));
    group.answers(assigned(2, &[0])).emits_epoch(2, true).emits(GroupEvent::NeedTopicNames([T].into()));
    group.emits(GroupEvent::Unsettled).names(&[(T, "t")]);
    group.emits_assigned(2, &[0], &[0]);
    // What was found needs metadata like what is named.
    group.emits(GroupEvent::NeedMetadata(topics(&["t"]))).acknowledges(2, &[0]).answers(alive(2)).is_quiet();
    // Gone again: the coordinator is told so, for as long as the member lives.
    group.subscribes(&["u"]).emits(GroupEvent::NeedMetadata(topics(&["t", "u"]))).beats();
    assert_eq!(group.request().pattern, None, "as before");
    group.answers(alive(2)).matches(None).beats();
    assert_eq!((group.request().pattern.as_deref(), group.request().topics), (Some(""), None));
    group.answers(ErrorCode::UNKNOWN_MEMBER_ID).emits_lost(&[0], LostReason::UnknownMember).beats();
    assert_eq!(group.request().pattern.as_deref(), Some(""));
}
