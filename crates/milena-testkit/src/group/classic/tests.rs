//! The classic protocol, rule by rule. What is expected here was answered by a real Kafka 4.3.1, or stands in its source.

use bytes::Bytes;

use super::super::script::{Joiner, Script, subscription, text};
use crate::error_code::ErrorCode;

fn code(code: i16) -> ErrorCode {
    ErrorCode(code)
}

#[test]
fn a_newcomer_is_sent_away_with_an_id_and_leads_once_it_is_back() {
    let mut script = Script::new();
    let token = script.join(&Joiner::default());
    let first = script.joined(token);
    assert_eq!(code(first.error_code), ErrorCode::MEMBER_ID_REQUIRED);
    assert!(first.member_id.starts_with("client-"));
    let token = script.join(&Joiner::member(&first.member_id));
    let second = script.joined(token);
    assert_eq!((second.error_code, second.generation_id, &second.leader), (0, 1, &first.member_id));
    assert_eq!(second.members.len(), 1);
}

#[test]
fn before_v4_a_newcomer_is_taken_in_at_once() {
    let mut script = Script::new();
    let token = script.join(&Joiner { version: 3, ..Joiner::default() });
    assert_eq!(script.joined(token).generation_id, 1);
}

#[test]
fn a_pending_member_that_does_not_come_back_holds_nobody_up_after_its_session() {
    let mut script = Script::new();
    let (leader, generation) = script.alone();
    let ghost = script.join(&Joiner::default());
    script.joined(ghost);
    let (_, waiting) = script.newcomer();
    assert_eq!(script.heartbeat(&leader, generation), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    let rejoined = script.join(&Joiner::member(&leader));
    assert!(script.waits(rejoined), "the ghost is still expected");
    script.pass(9_999);
    assert!(script.waits(rejoined));
    script.pass(1);
    assert_eq!(script.joined(rejoined).generation_id, 2);
    assert_eq!(script.joined(waiting).generation_id, 2);
}

#[test]
fn an_empty_group_waits_for_more_members_and_longer_for_each_but_not_beyond_the_rebalance_timeout() {
    let mut script =
        Script::with(|config| config.initial_rebalance_delay = std::time::Duration::from_secs(3));
    let joiner = |id: &str| Joiner { rebalance_ms: 7_000, ..Joiner::member(id) };
    let enter = |script: &mut Script| {
        let token = script.join(&Joiner { rebalance_ms: 7_000, ..Joiner::default() });
        let id = script.joined(token).member_id;
        script.join(&joiner(&id))
    };
    let first = enter(&mut script);
    script.pass(2_000);
    let second = enter(&mut script);
    script.pass(2_000);
    assert!(script.waits(first), "4 s: the second one prolonged it to 6 s");
    let third = enter(&mut script);
    script.pass(2_500);
    assert!(script.waits(first), "6.5 s: the third one prolonged it, by what was left");
    script.pass(500);
    for token in [first, second, third] {
        assert_eq!(script.joined(token).generation_id, 1, "7 s: the rebalance timeout");
    }
}

#[test]
fn a_newcomer_waits_for_the_others_for_five_minutes_at_most() {
    let mut script = Script::new();
    let patient = Joiner { rebalance_ms: 900_000, session_ms: 1_000_000, version: 3, ..Joiner::default() };
    let token = script.join(&patient);
    let member = script.joined(token).member_id;
    script.sync(&member, 1, &[]);
    let newcomer = script.join(&patient);
    script.pass(299_999);
    assert!(script.waits(newcomer));
    script.pass(1);
    assert_eq!(code(script.joined(newcomer).error_code), ErrorCode::UNKNOWN_MEMBER_ID);
}

#[test]
fn session_timeouts_out_of_bounds_are_refused() {
    let mut script = Script::new();
    for session_ms in [5_999, 30 * 60 * 1000 + 1, -1] {
        let token = script.join(&Joiner { session_ms, ..Joiner::default() });
        assert_eq!(code(script.joined(token).error_code), ErrorCode::INVALID_SESSION_TIMEOUT, "{session_ms}");
    }
    let token = script.join(&Joiner { session_ms: 6_000, ..Joiner::default() });
    assert_eq!(code(script.joined(token).error_code), ErrorCode::MEMBER_ID_REQUIRED);
}

#[test]
fn protocols_must_be_named_and_shared() {
    let mut script = Script::new();
    let refused = |script: &mut Script, joiner: Joiner| {
        let token = script.join(&joiner);
        code(script.joined(token).error_code)
    };
    let none = Joiner { protocols: Vec::new(), ..Joiner::default() };
    assert_eq!(refused(&mut script, none), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    script.alone();
    let other = Joiner { protocols: vec![("sticky", Bytes::new())], ..Joiner::default() };
    assert_eq!(refused(&mut script, other), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
    let connect = Joiner { kind: text("connect"), ..Joiner::default() };
    assert_eq!(refused(&mut script, connect), ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
}

#[test]
fn members_vote_for_the_first_protocol_on_their_list_that_all_of_them_have() {
    let mut script = Script::new();
    let many = vec![("range", Bytes::new()), ("sticky", Bytes::new()), ("roundrobin", Bytes::new())];
    let few = vec![("sticky", Bytes::new()), ("roundrobin", Bytes::new())];
    let token = script.join(&Joiner { protocols: many.clone(), version: 3, ..Joiner::default() });
    let leader = script.joined(token);
    assert_eq!(leader.protocol_name, Some(text("range")));
    let token = script.join(&Joiner { protocols: few, version: 3, ..Joiner::default() });
    let rejoined = script.join(&Joiner { protocols: many, ..Joiner::member(&leader.member_id) });
    assert_eq!(script.joined(rejoined).protocol_name, Some(text("sticky")));
    assert_eq!(script.joined(token).protocol_name, Some(text("sticky")));
}

#[test]
fn a_rebalance_is_announced_by_heartbeats_and_completes_when_all_have_rejoined() {
    let mut script = Script::new();
    let (leader, generation) = script.alone();
    let (_, waiting) = script.newcomer();
    assert!(script.waits(waiting));
    assert_eq!(script.heartbeat(&leader, generation), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    let rejoined = script.join(&Joiner::member(&leader));
    let answer = script.joined(rejoined);
    assert_eq!((answer.generation_id, answer.members.len()), (2, 2));
    let follower = script.joined(waiting);
    assert_eq!((follower.generation_id, follower.members.len()), (2, 0));
    assert_eq!(follower.leader, text(&leader));
}

#[test]
fn who_does_not_rejoin_within_the_rebalance_timeout_is_left_behind() {
    let mut script = Script::new();
    let (leader, generation) = script.alone();
    let (_, waiting) = script.newcomer();
    for _ in 0..12 {
        script.pass(5_000);
        let _ = script.heartbeat(&leader, generation);
    }
    assert_eq!(script.joined(waiting).generation_id, 2);
    assert_eq!(script.heartbeat(&leader, generation), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn followers_wait_for_the_leaders_assignment_and_whoever_it_forgets_gets_nothing() {
    let mut script = Script::new();
    let (leader, _) = script.alone();
    let (follower, waiting) = script.newcomer();
    let rejoined = script.join(&Joiner::member(&leader));
    let generation = script.joined(rejoined).generation_id;
    script.joined(waiting);
    let early = script.sync(&follower, generation, &[]);
    assert!(script.waits(early));
    let token = script.sync(&leader, generation, &[(&leader, b"mine")]);
    assert_eq!(script.synced(token).assignment, Bytes::from_static(b"mine"));
    let answer = script.synced(early);
    assert_eq!((answer.error_code, answer.assignment.len()), (0, 0));
}

#[test]
fn a_sync_that_waits_is_sent_back_when_another_rebalance_begins() {
    let mut script = Script::new();
    let (leader, follower, _) = script.pair();
    let rejoined = script.join(&Joiner::member(&leader));
    let other = script.join(&Joiner::member(&follower));
    let generation = script.joined(rejoined).generation_id;
    script.joined(other);
    let early = script.sync(&follower, generation, &[]);
    script.newcomer();
    assert_eq!(code(script.synced(early).error_code), ErrorCode::REBALANCE_IN_PROGRESS);
}

#[test]
fn who_does_not_sync_within_the_rebalance_timeout_is_removed_even_while_it_heartbeats() {
    let mut script = Script::new();
    let (leader, follower, _) = script.pair();
    let rejoined = script.join(&Joiner::member(&leader));
    let other = script.join(&Joiner::member(&follower));
    let generation = script.joined(rejoined).generation_id;
    script.joined(other);
    let token = script.sync(&leader, generation, &[(&leader, b"a")]);
    assert_eq!(script.synced(token).error_code, 0);
    for _ in 0..12 {
        assert_eq!(script.heartbeat(&leader, generation), Ok(()));
        assert_eq!(script.heartbeat(&follower, generation), Ok(()));
        script.pass(5_000);
    }
    assert_eq!(script.heartbeat(&follower, generation), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(script.heartbeat(&leader, generation), Err(ErrorCode::REBALANCE_IN_PROGRESS));
}

#[test]
fn a_session_ends_without_a_sign_of_life_and_a_commit_is_one() {
    let mut script = Script::new();
    let (member, generation) = script.alone();
    script.pass(9_000);
    assert_eq!(script.heartbeat(&member, generation), Ok(()));
    script.pass(9_000);
    assert_eq!(script.commit(&member, generation, 1), Ok(()));
    script.pass(9_999);
    assert_eq!(script.heartbeat(&member, generation), Ok(()));
    script.pass(10_000);
    assert_eq!(script.heartbeat(&member, generation), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(script.groups.state("g"), "Empty");
}

#[test]
fn a_member_that_waits_for_the_others_needs_no_heartbeat() {
    let mut script = Script::new();
    let (leader, follower, generation) = script.pair();
    let rejoined = script.join(&Joiner::member(&leader));
    for _ in 0..5 {
        script.pass(9_000);
        assert_eq!(script.heartbeat(&follower, generation), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    }
    assert!(script.waits(rejoined), "45 s without a heartbeat, and still a member");
    let other = script.join(&Joiner::member(&follower));
    assert_eq!(script.joined(rejoined).generation_id, generation + 1);
    assert_eq!(script.joined(other).generation_id, generation + 1);
}

#[test]
fn a_follower_that_joins_again_unchanged_is_told_the_same_generation() {
    let mut script = Script::new();
    let (leader, follower, generation) = script.pair();
    let token = script.join(&Joiner::member(&follower));
    let answer = script.joined(token);
    assert_eq!((answer.generation_id, answer.members.len()), (generation, 0));
    assert_eq!(script.heartbeat(&leader, generation), Ok(()));
}

#[test]
fn a_leader_that_joins_again_or_a_changed_subscription_starts_a_rebalance() {
    let mut script = Script::new();
    let (leader, follower, generation) = script.pair();
    let token = script.join(&Joiner::member(&leader));
    assert!(script.waits(token));
    let other = script.join(&Joiner::member(&follower));
    assert_eq!(script.joined(token).generation_id, generation + 1);
    script.joined(other);
    for member in [&leader, &follower] {
        script.sync(member, generation + 1, &[]);
    }
    let changed = Joiner { protocols: vec![("range", subscription(&["u"]))], ..Joiner::member(&follower) };
    let token = script.join(&changed);
    assert!(script.waits(token));
    assert_eq!(script.heartbeat(&leader, generation + 1), Err(ErrorCode::REBALANCE_IN_PROGRESS));
}

#[test]
fn a_join_whose_answer_was_lost_gets_it_again_before_the_sync() {
    let mut script = Script::new();
    let (member, token) = script.newcomer();
    let generation = script.joined(token).generation_id;
    let token = script.join(&Joiner::member(&member));
    let again = script.joined(token);
    assert_eq!((again.generation_id, again.members.len()), (generation, 1));
}

#[test]
fn several_members_leave_with_one_request_and_the_rest_rebalance() {
    let mut script = Script::new();
    let (leader, follower, generation) = script.pair();
    let answer = script.leave(&[(&follower, None), ("nobody", None)]);
    let codes: Vec<ErrorCode> = answer.members.iter().map(|member| code(member.error_code)).collect();
    assert_eq!(codes, [ErrorCode::NONE, ErrorCode::UNKNOWN_MEMBER_ID]);
    assert_eq!(script.heartbeat(&leader, generation), Err(ErrorCode::REBALANCE_IN_PROGRESS));
    script.leave(&[(&leader, None)]);
    assert_eq!(script.groups.state("g"), "Empty");
    assert_eq!(script.groups.generation("g"), Some(generation + 1));
}

#[test]
fn a_static_member_comes_back_under_a_new_id_without_a_rebalance() {
    let mut script = Script::new();
    let joiner = Joiner::instance("i");
    let token = script.join(&joiner);
    let first = script.joined(token);
    assert_eq!((first.error_code, first.generation_id), (0, 1), "a static member needs no second step");
    let token = script.sync_as(&first.member_id, Some("i"), 1, &[(&first.member_id, b"x")]);
    assert_eq!(script.synced(token).error_code, 0);

    let token = script.join(&joiner);
    let second = script.joined(token);
    assert_eq!(
        (second.generation_id, second.skip_assignment),
        (1, true),
        "KIP-814: the leader must not assign"
    );
    assert_ne!(second.member_id, first.member_id);
    let token = script.sync_as(&second.member_id, Some("i"), 1, &[]);
    assert_eq!(script.synced(token).assignment, Bytes::from_static(b"x"));
    let fenced = script.heartbeat_as(&first.member_id, Some("i"), 1);
    assert_eq!(fenced, Err(ErrorCode::FENCED_INSTANCE_ID));
    assert_eq!(script.heartbeat(&first.member_id, 1), Err(ErrorCode::UNKNOWN_MEMBER_ID));
    assert_eq!(script.heartbeat_as(&second.member_id, Some("other"), 1), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn before_v9_a_returning_static_leader_is_told_its_old_id_as_leader() {
    let mut script = Script::new();
    let joiner = Joiner { version: 8, ..Joiner::instance("i") };
    let token = script.join(&joiner);
    let first = script.joined(token);
    script.sync_as(&first.member_id, Some("i"), 1, &[(&first.member_id, b"x")]);
    let token = script.join(&joiner);
    let second = script.joined(token);
    assert_eq!((&second.leader, second.members.len(), second.skip_assignment), (&first.member_id, 0, false));
}

#[test]
fn a_static_member_replaced_while_it_waits_is_fenced() {
    let mut script = Script::new();
    let (leader, generation) = script.alone();
    let old = script.join(&Joiner::instance("i"));
    assert!(script.waits(old));
    let new = script.join(&Joiner::instance("i"));
    assert_eq!(code(script.joined(old).error_code), ErrorCode::FENCED_INSTANCE_ID);
    assert!(script.waits(new));
    assert_eq!(script.heartbeat(&leader, generation), Err(ErrorCode::REBALANCE_IN_PROGRESS));
}

#[test]
fn a_static_member_stays_through_a_rebalance_that_it_misses() {
    let mut script = Script::new();
    let joiner = Joiner { session_ms: 1_000_000, ..Joiner::instance("i") };
    let token = script.join(&joiner);
    let member = script.joined(token).member_id;
    let token = script.sync_as(&member, Some("i"), 1, &[]);
    script.synced(token);
    let (newcomer, waiting) = script.newcomer();
    script.pass(60_000);
    let answer = script.joined(waiting);
    assert_eq!((answer.generation_id, answer.members.len()), (2, 2), "it is still on the roster");
    assert_eq!(answer.leader, text(&newcomer), "but who has rejoined leads");
}

#[test]
fn a_full_group_turns_newcomers_away() {
    let mut script = Script::with(|config| config.max_size = 1);
    script.alone();
    let token = script.join(&Joiner::default());
    assert_eq!(code(script.joined(token).error_code), ErrorCode::GROUP_MAX_SIZE_REACHED);
}

#[test]
fn an_unknown_member_of_an_unknown_group_does_not_make_one() {
    let mut script = Script::new();
    let token = script.join(&Joiner::member("ghost"));
    assert_eq!(code(script.joined(token).error_code), ErrorCode::UNKNOWN_MEMBER_ID);
    assert_eq!(script.groups.state("g"), "Dead");
    assert_eq!(script.heartbeat("ghost", 1), Err(ErrorCode::UNKNOWN_MEMBER_ID));
}

#[test]
fn members_and_generation_survive_a_move_of_the_coordinator_but_a_round_of_joins_does_not() {
    let mut script = Script::new();
    let (leader, follower, generation) = script.pair();
    let rejoining = script.join(&Joiner::member(&leader));
    assert!(script.waits(rejoining));
    script.groups.reload(&text("g"));
    script.pass(0);
    assert_eq!(code(script.joined(rejoining).error_code), ErrorCode::NOT_COORDINATOR);
    for member in [&leader, &follower] {
        assert_eq!(script.heartbeat(member, generation), Ok(()));
    }
    let token = script.sync(&follower, generation, &[]);
    assert_eq!(script.synced(token).assignment, Bytes::from_static(b"b"));
    script.pass(10_000);
    assert_eq!(script.groups.state("g"), "Empty", "sessions begin anew, and end");
}
