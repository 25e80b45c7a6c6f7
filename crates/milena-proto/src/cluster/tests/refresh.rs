use std::time::Duration;

use super::*;
use crate::cluster::{MetadataCall, MetadataRefresh, MetadataRefused, Recovery, RefreshSettings, Target};
use crate::types::{CallFailed, RequestId};

const MAX_AGE: Duration = Duration::from_secs(300);
const TRIGGER: Duration = Duration::from_secs(60);

struct Script {
    now: Instant,
    view: ClusterView,
    refresh: MetadataRefresh,
    call: Option<MetadataCall>,
}

impl Script {
    fn new(bootstrap_servers: usize) -> Self {
        Self::recovering(bootstrap_servers, Recovery::Rebootstrap { after: TRIGGER })
    }

    fn recovering(bootstrap_servers: usize, recovery: Recovery) -> Self {
        let settings = RefreshSettings {
            max_age: MAX_AGE,
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            bootstrap_servers,
            recovery,
            seed: 7,
        };
        let now = origin();
        Self { now, view: ClusterView::new(), refresh: MetadataRefresh::new(now, settings), call: None }
    }

    /// Knows brokers 1, 2 and 3, by a bootstrap server.
    fn started() -> Self {
        let mut script = Self::new(2);
        script.asks(Target::Bootstrap(0)).answered();
        script
    }

    #[track_caller]
    fn asks(&mut self, target: Target) -> &mut Self {
        let call = self.refresh.poll_request(self.now, &self.view).expect("a request");
        assert_eq!(call.target, target);
        assert_eq!(self.refresh.poll_request(self.now, &self.view), None, "one at a time");
        assert_eq!(self.refresh.poll_timeout(), None);
        self.call = Some(call);
        self
    }

    #[track_caller]
    fn waits_for(&mut self, least: Duration, most: Duration) -> &mut Self {
        assert_eq!(self.refresh.poll_request(self.now, &self.view), None);
        let until = self.refresh.poll_timeout().expect("a time to ask again");
        let pause = until.saturating_duration_since(self.now);
        assert!(pause >= least && pause <= most, "{pause:?}");
        self.now = until;
        self
    }

    #[track_caller]
    fn pauses(&mut self) -> &mut Self {
        self.waits_for(Duration::from_millis(80), Duration::from_secs(1))
    }

    fn id(&self) -> RequestId {
        self.call.as_ref().expect("a request was made").id
    }

    fn answered_with(&mut self, answer: &MetadataResponse) -> Result<usize, MetadataRefused> {
        let changes = self.refresh.handle_response(self.now, self.id(), Ok(answer), &mut self.view);
        changes.map(|changes| changes.len())
    }

    fn answered(&mut self) -> &mut Self {
        self.answered_with(&answer(vec![])).unwrap();
        self
    }

    fn fails(&mut self) -> &mut Self {
        let failed = Err(CallFailed::Disconnected);
        self.refresh.handle_response(self.now, self.id(), failed, &mut self.view).unwrap();
        self
    }

    fn hurry(&mut self) -> &mut Self {
        self.refresh.refresh_soon(self.now);
        self
    }
}

fn at(id: i32) -> Target {
    Target::Broker(BrokerId(id))
}

#[test]
fn asks_at_once_and_then_when_it_is_old() {
    Script::new(1)
        .asks(Target::Bootstrap(0))
        .answered()
        .waits_for(MAX_AGE, MAX_AGE)
        .asks(at(1))
        .answered()
        .waits_for(MAX_AGE, MAX_AGE)
        .asks(at(2));
}

#[test]
fn other_topics_are_asked_for_soon_and_the_same_are_not() {
    let mut script = Script::started();
    script.refresh.want(script.now, topics(&["a"]));
    script.asks(at(1));
    assert_eq!(script.call.as_ref().map(|call| &call.asked), Some(&topics(&["a"])));
    script.answered();
    script.refresh.want(script.now, topics(&["a"]));
    script.waits_for(MAX_AGE, MAX_AGE).asks(at(2)).fails();
    // While asking fails it makes no difference what for.
    script.refresh.want(script.now, topics(&["b"]));
    script.pauses().asks(at(3));
}

#[test]
fn what_is_wanted_while_asking_is_asked_for_next() {
    let mut script = Script::started();
    script.hurry().pauses().asks(at(1));
    script.refresh.want(script.now, topics(&["a"]));
    assert_eq!(script.refresh.wanted(), &topics(&["a"]));
    script.answered().pauses().asks(at(2));
    assert_eq!(script.call.as_ref().map(|call| &call.asked), Some(&topics(&["a"])));
}

#[test]
fn errors_hurry_it_but_not_into_a_storm() {
    let mut script = Script::started();
    let began = script.now;
    for asked in 0..20 {
        script.hurry().pauses().asks(at(1 + asked % 3)).answered();
    }
    // Nothing new came of it twenty times: the pauses have grown to a second.
    assert!(script.now - began > Duration::from_secs(12), "{:?}", script.now - began);
    // Something new did.
    script.hurry().pauses().asks(at(3));
    script.answered_with(&answer(vec![topic("a", id(1), &[(1, 1)])])).unwrap();
    script.hurry().waits_for(Duration::from_millis(80), Duration::from_millis(120)).asks(at(1));
}

#[test]
fn a_topic_that_stays_missing_is_no_progress() {
    let mut script = Script::started();
    script.refresh.want(script.now, topics(&["a"]));
    script.asks(at(1)).answered();
    let began = script.now;
    for asked in 0..20 {
        script.hurry().pauses().asks(at(1 + (asked + 1) % 3));
        script.answered_with(&answer(vec![missing("a", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)])).unwrap();
    }
    assert!(script.now - began > Duration::from_secs(12), "{:?}", script.now - began);
}

#[test]
fn who_failed_least_recently_is_asked_and_the_bootstrap_list_in_turn() {
    let mut script = Script::started();
    script.hurry().pauses().asks(at(1)).fails();
    script.pauses().asks(at(2)).fails();
    script.pauses().asks(at(3)).fails();
    // KIP-899: every known broker fails.
    script.pauses().asks(Target::Bootstrap(1)).fails();
    script.pauses().asks(Target::Bootstrap(0)).fails();
    script.pauses().asks(at(1)).fails();
    script.pauses().asks(at(2)).answered();
    // Who answered is trusted, the others are behind it.
    script.waits_for(MAX_AGE, MAX_AGE).asks(at(2));
}

#[test]
fn who_answers_again_is_as_good_as_new() {
    let mut script = Script::started();
    for target in [at(1), at(2), at(3), Target::Bootstrap(1), Target::Bootstrap(0)] {
        script.hurry().pauses().asks(target).fails();
    }
    let four = MetadataResponse { brokers: vec![broker(1), broker(4)], ..answer(vec![]) };
    script.pauses().asks(at(1));
    script.answered_with(&four).unwrap();
    script.hurry().pauses().asks(at(4));
    script.answered_with(&four).unwrap();
    script.hurry().pauses().asks(at(1));
}

#[test]
fn brokers_that_left_are_not_asked() {
    let mut script = Script::started();
    let two = MetadataResponse { brokers: vec![broker(2), broker(3)], ..answer(vec![]) };
    script.hurry().pauses().asks(at(1));
    script.answered_with(&two).unwrap();
    script
        .hurry()
        .pauses()
        .asks(at(2))
        .fails()
        .pauses()
        .asks(at(3))
        .fails()
        .pauses()
        .asks(Target::Bootstrap(1));
}

#[test]
fn a_lying_broker_counts_as_failed() {
    let mut script = Script::started();
    script.hurry().pauses().asks(at(1));
    let lie = MetadataResponse { brokers: vec![], ..answer(vec![]) };
    assert_eq!(script.answered_with(&lie), Err(MetadataRefused::NoBrokers));
    script.pauses().asks(at(2)).answered().waits_for(MAX_AGE, MAX_AGE).asks(at(3));
}

#[test]
fn a_broker_may_send_its_clients_back_to_the_bootstrap_list() {
    let mut script = Script::started();
    script.hurry().pauses().asks(at(1));
    let start_over = MetadataResponse { error: ErrorCode::REBOOTSTRAP_REQUIRED, ..answer(vec![]) };
    assert!(script.answered_with(&start_over).is_err());
    script.pauses().asks(Target::Bootstrap(0)).fails().pauses().asks(Target::Bootstrap(1)).answered();
}

#[test]
fn brokers_that_take_their_time_to_fail_do_not_keep_one_from_the_bootstrap_list() {
    let mut script = Script::started();
    script.hurry().pauses().asks(at(1));
    script.now += TRIGGER / 2;
    script.fails().pauses().asks(at(2));
    script.now += TRIGGER / 2;
    // Broker 3 has not been asked yet.
    script.fails().pauses().asks(Target::Bootstrap(0)).fails().pauses().asks(Target::Bootstrap(1)).fails();
    // It had its turn, and so does everybody else from here on, until it is time again.
    script.pauses().asks(at(3)).fails().pauses().asks(at(1)).fails().pauses().asks(at(2)).answered();
    // The time counts from the first question that is not answered, not from the last answer.
    script.waits_for(MAX_AGE, MAX_AGE).asks(at(2));
}

#[test]
fn without_recovery_only_the_brokers_that_are_known_are_asked() {
    let mut script = Script::recovering(1, Recovery::None);
    script.asks(Target::Bootstrap(0)).fails().pauses().asks(Target::Bootstrap(0)).answered();
    script.hurry().pauses().asks(at(1)).fails().pauses().asks(at(2)).fails().pauses().asks(at(3)).fails();
    script.pauses().asks(at(1));
    script.now += TRIGGER;
    let start_over = MetadataResponse { error: ErrorCode::REBOOTSTRAP_REQUIRED, ..answer(vec![]) };
    assert!(script.answered_with(&start_over).is_err());
    script.pauses().asks(at(2));
}

#[test]
fn an_answer_to_an_older_request_is_not_heard() {
    let mut script = Script::started();
    let old = script.id();
    script.hurry().pauses().asks(at(1));
    let late = answer(vec![topic("a", id(1), &[(1, 1)])]);
    let changes = script.refresh.handle_response(script.now, old, Ok(&late), &mut script.view);
    assert_eq!(changes, Ok(vec![]));
    assert_eq!(script.view.topic("a"), None);
    script.answered();
    let again = script.refresh.handle_response(script.now, script.id(), Ok(&late), &mut script.view);
    assert_eq!((again, script.view.topic("a")), (Ok(vec![]), None));
}

#[test]
fn without_anybody_to_ask_it_does_not_spin() {
    let mut script = Script::new(0);
    for _ in 0..5 {
        script.pauses();
    }
}
