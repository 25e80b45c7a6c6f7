//! Every way a position moves, by script.

mod model;

use std::ops::Range;
use std::time::Duration;

use super::*;

const COMMITTED: PositionRequest = PositionRequest::Committed;
const EARLIEST: PositionRequest = PositionRequest::ListOffset { lookup: Lookup::Earliest };
const LATEST: PositionRequest = PositionRequest::ListOffset { lookup: Lookup::Latest };

fn epoch_end(epoch: i32, offset: i64) -> PositionRequest {
    PositionRequest::EpochEnd { epoch: LeaderEpoch(epoch), offset }
}

fn moved(cause: MoveCause, from: Option<i64>, to: i64) -> PositionEvent {
    PositionEvent::Moved { cause, from, to, lost: None }
}

fn moved_with_loss(cause: MoveCause, from: i64, to: i64, lost: Range<i64>) -> PositionEvent {
    PositionEvent::Moved { cause, from: Some(from), to, lost: Some(lost) }
}

/// A position, its clock, and the question that is open.
struct Script {
    now: Instant,
    position: Position,
    open: Option<RequestId>,
}

impl Script {
    #[allow(clippy::disallowed_methods)]
    fn new(start: Start, policy: Reset) -> Self {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1), 7);
        let mut position = Position::new(start, policy, backoff);
        position.handle_leader_changed(Some(LeaderEpoch(5)));
        Self { now: Instant::now(), position, open: None }
    }

    /// Fetching from `offset` after records of epoch 5.
    fn reading(offset: i64, policy: Reset) -> Self {
        let mut script = Self::new(Start::Offset(offset - 10), policy);
        script.emits(moved(MoveCause::Started, None, offset - 10));
        assert!(script.position.handle_delivered(offset - 10, offset, Some(LeaderEpoch(5))));
        script
    }

    #[track_caller]
    fn asks(&mut self, request: PositionRequest) -> &mut Self {
        let (id, asked) = self.position.poll_request(self.now).expect("a question");
        assert_eq!(asked, request);
        assert_eq!(self.position.poll_request(self.now), None, "one question at a time");
        assert_eq!(
            self.position.fetch_position(self.now),
            None,
            "nothing is fetched while a question is open"
        );
        self.open = Some(id);
        self
    }

    #[track_caller]
    fn asks_nothing(&mut self) -> &mut Self {
        assert_eq!(self.position.poll_request(self.now), None);
        self
    }

    #[track_caller]
    fn emits(&mut self, event: PositionEvent) -> &mut Self {
        assert_eq!(self.position.poll_event(), Some(event));
        self
    }

    #[track_caller]
    fn emits_nothing(&mut self) -> &mut Self {
        assert_eq!(self.position.poll_event(), None);
        self
    }

    #[track_caller]
    fn fetches(&mut self, offset: i64, last_epoch: Option<i32>) -> &mut Self {
        self.asks_nothing().emits_nothing();
        let at = self.position.fetch_position(self.now).expect("a position to fetch from");
        assert_eq!((at.offset, at.last_epoch), (offset, last_epoch.map(LeaderEpoch)));
        assert_eq!(at.current_leader_epoch, self.position.current_leader_epoch());
        assert_eq!(self.position.offset(), Some(offset));
        self
    }

    /// Nothing happens until the pause is over, and then it is.
    #[track_caller]
    fn pauses(&mut self) -> &mut Self {
        self.asks_nothing();
        assert_eq!(self.position.fetch_position(self.now), None);
        let until = self.position.poll_timeout().expect("an end of the pause");
        assert!(until >= self.now + Duration::from_millis(80), "a pause too short to calm anything");
        self.now = until;
        self.position.handle_timeout(until);
        assert_eq!(self.position.poll_timeout(), None, "a pause that is over is not waited for");
        self
    }

    fn id(&self) -> RequestId {
        self.open.expect("a question was asked")
    }

    fn committed(&mut self, offset: i64, epoch: Option<i32>) -> &mut Self {
        self.position.handle_committed(self.now, self.id(), Ok(Some((offset, epoch.map(LeaderEpoch)))));
        self
    }

    fn never_committed(&mut self) -> &mut Self {
        self.position.handle_committed(self.now, self.id(), Ok(None));
        self
    }

    fn committed_fails(&mut self, failed: impl Into<AskFailed>) -> &mut Self {
        self.position.handle_committed(self.now, self.id(), Err(failed.into()));
        self
    }

    fn listed(&mut self, offset: i64) -> &mut Self {
        self.position.handle_listed_offset(self.now, self.id(), Ok(offset));
        self
    }

    fn listing_fails(&mut self, failed: impl Into<AskFailed>) -> &mut Self {
        self.position.handle_listed_offset(self.now, self.id(), Err(failed.into()));
        self
    }

    fn ended(&mut self, epoch: i32, end_offset: i64) -> &mut Self {
        self.position.handle_epoch_end(self.now, self.id(), Ok(EpochEndOffset { epoch, end_offset }));
        self
    }

    fn epoch_fails(&mut self, failed: impl Into<AskFailed>) -> &mut Self {
        self.position.handle_epoch_end(self.now, self.id(), Err(failed.into()));
        self
    }

    fn leader_moves(&mut self, epoch: i32) -> &mut Self {
        self.position.handle_leader_changed(Some(LeaderEpoch(epoch)));
        self
    }

    fn out_of_range(&mut self, log_start_offset: i64) -> &mut Self {
        let asked = self.position.offset().unwrap();
        self.position.handle_out_of_range(self.now, asked, Replica::Leader, log_start_offset);
        self
    }
}

const FROM_COMMITTED: Start = Start::Committed { otherwise: Reset::Latest };

// --- Where to start ------------------------------------------------------------------------------------------------

#[test]
fn starts_by_look_up() {
    for (start, request) in [
        (Start::Earliest, EARLIEST),
        (Start::Latest, LATEST),
        (Start::Timestamp(77), PositionRequest::ListOffset { lookup: Lookup::Timestamp(77) }),
    ] {
        Script::new(start, Reset::None)
            .asks(request)
            .listed(40)
            .emits(moved(MoveCause::Started, None, 40))
            .fetches(40, None);
    }
}

#[test]
fn starts_at_an_offset_without_asking() {
    Script::new(Start::Offset(40), Reset::None).emits(moved(MoveCause::Started, None, 40)).fetches(40, None);
}

#[test]
fn no_record_as_late_means_the_end() {
    let ago = Duration::from_secs(60);
    for start in [Start::Timestamp(77), Start::ByDuration(ago)] {
        let lookup = if start == Start::Timestamp(77) { Lookup::Timestamp(77) } else { Lookup::Ago(ago) };
        Script::new(start, Reset::None)
            .asks(PositionRequest::ListOffset { lookup })
            .listed(-1)
            .asks(LATEST)
            .listed(90)
            .emits(moved(MoveCause::Started, None, 90))
            .fetches(90, None);
    }
}

#[test]
fn a_log_without_start_or_end_is_asked_about_again() {
    Script::new(Start::Earliest, Reset::None)
        .asks(EARLIEST)
        .listed(-1)
        .emits_nothing()
        .pauses()
        .asks(EARLIEST)
        .listed(0)
        .emits(moved(MoveCause::Started, None, 0));
}

#[test]
fn a_tail_is_counted_from_the_end_and_stays_in_the_log() {
    for (end, start, to) in [(100, 20, 70), (100, 95, 95), (10, 0, 0), (0, 0, 0)] {
        Script::new(Start::Tail(30), Reset::None)
            .asks(LATEST)
            .listed(end)
            .asks(EARLIEST)
            .listed(start)
            .emits(moved(MoveCause::Started, None, to))
            .fetches(to, None);
    }
    let mut all = Script::new(Start::Tail(u64::MAX), Reset::None);
    all.asks(LATEST).listed(100).asks(EARLIEST).listed(3).emits(moved(MoveCause::Started, None, 3));
}

// --- The group's offset --------------------------------------------------------------------------------------------

#[test]
fn starts_at_the_committed_offset_once_its_epoch_is_validated() {
    Script::new(FROM_COMMITTED, Reset::Latest)
        .asks(COMMITTED)
        .committed(40, Some(3))
        .emits(moved(MoveCause::Committed, None, 40))
        .asks(epoch_end(3, 40))
        .ended(3, 60)
        .fetches(40, Some(3));
}

#[test]
fn a_committed_offset_without_an_epoch_is_taken() {
    Script::new(FROM_COMMITTED, Reset::Latest)
        .asks(COMMITTED)
        .committed(40, None)
        .emits(moved(MoveCause::Committed, None, 40))
        .fetches(40, None);
}

#[test]
fn only_a_clear_answer_means_that_nothing_is_committed() {
    let failures: [AskFailed; 9] = [
        ErrorCode::UNSTABLE_OFFSET_COMMIT.into(),
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS.into(),
        ErrorCode::COORDINATOR_NOT_AVAILABLE.into(),
        ErrorCode::NOT_COORDINATOR.into(),
        ErrorCode::STALE_MEMBER_EPOCH.into(),
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into(),
        CallFailed::Disconnected.into(),
        CallFailed::TimedOut.into(),
        CallFailed::Malformed.into(),
    ];
    let mut script = Script::new(FROM_COMMITTED, Reset::Latest);
    for failure in failures {
        script.asks(COMMITTED).committed_fails(failure).emits_nothing().pauses();
    }
    script.asks(COMMITTED).committed(40, None).emits(moved(MoveCause::Committed, None, 40)).fetches(40, None);
}

#[test]
fn a_refusal_is_told_once_and_tried_again() {
    let denied = ErrorCode::GROUP_AUTHORIZATION_FAILED;
    Script::new(FROM_COMMITTED, Reset::Latest)
        .asks(COMMITTED)
        .committed_fails(denied)
        .emits(PositionEvent::Refused(denied))
        .pauses()
        .asks(COMMITTED)
        .committed_fails(denied)
        .emits_nothing()
        .pauses()
        .asks(COMMITTED)
        .committed_fails(CallFailed::Unsupported)
        .emits(PositionEvent::Refused(ErrorCode::UNSUPPORTED_VERSION))
        .pauses()
        .asks(COMMITTED)
        .committed(40, None)
        .emits(moved(MoveCause::Committed, None, 40));
}

#[test]
fn without_a_commit_the_policy_applies() {
    let ago = Duration::from_secs(60);
    for (reset, lookup) in [
        (Reset::Earliest, Lookup::Earliest),
        (Reset::Latest, Lookup::Latest),
        (Reset::Timestamp(77), Lookup::Timestamp(77)),
        (Reset::ByDuration(ago), Lookup::Ago(ago)),
    ] {
        Script::new(Start::Committed { otherwise: reset }, Reset::None)
            .asks(COMMITTED)
            .never_committed()
            .emits_nothing()
            .asks(PositionRequest::ListOffset { lookup })
            .listed(90)
            .emits(moved(MoveCause::Reset(reset), None, 90))
            .fetches(90, None);
    }
}

#[test]
fn without_a_commit_and_without_a_policy_somebody_has_to_decide() {
    let mut script = Script::new(Start::Committed { otherwise: Reset::None }, Reset::None);
    script
        .asks(COMMITTED)
        .never_committed()
        .emits(PositionEvent::Stuck(PositionError::NoCommittedOffset))
        .asks_nothing();
    assert!(script.position.is_stuck());
    assert_eq!(script.position.fetch_position(script.now), None);
    script.position.seek(Start::Offset(3));
    script.emits(moved(MoveCause::Seek, None, 3)).fetches(3, None);
}

#[test]
fn a_negative_committed_offset_is_no_place_in_the_log() {
    // Brokers store whatever is committed, -5 too.
    Script::new(FROM_COMMITTED, Reset::Latest)
        .asks(COMMITTED)
        .committed(-5, Some(3))
        .emits(moved(MoveCause::Committed, None, -5))
        .asks(EARLIEST)
        .listed(20)
        .emits(moved_with_loss(MoveCause::OutOfRangeBelow, -5, 20, 0..20))
        .fetches(20, None);
}

// --- Out of range --------------------------------------------------------------------------------------------------

#[test]
fn below_the_log_goes_on_at_its_start_whatever_the_policy() {
    for policy in [Reset::Earliest, Reset::Latest, Reset::Timestamp(7)] {
        Script::reading(40, policy)
            .out_of_range(-1)
            .asks(EARLIEST)
            .listed(70)
            .emits(moved_with_loss(MoveCause::OutOfRangeBelow, 40, 70, 40..70))
            .fetches(70, None);
        // A broker that says where its log starts saves the question.
        Script::reading(40, policy)
            .out_of_range(70)
            .emits(moved_with_loss(MoveCause::OutOfRangeBelow, 40, 70, 40..70))
            .fetches(70, None);
    }
}

#[test]
fn below_the_log_without_a_policy_is_an_error() {
    let error = PositionError::OutOfRange { offset: 40, start: 70, end: None };
    let mut script = Script::reading(40, Reset::None);
    script.out_of_range(70).emits(PositionEvent::Stuck(error)).asks_nothing();
    assert_eq!(script.position.fetch_position(script.now), None);
    assert_eq!(script.position.offset(), Some(40));
}

#[test]
fn beyond_the_end_goes_back_to_where_the_epoch_ended() {
    for policy in [Reset::Earliest, Reset::Latest] {
        Script::reading(40, policy)
            .out_of_range(-1)
            .asks(EARLIEST)
            .listed(0)
            .asks(LATEST)
            .listed(30)
            .asks(epoch_end(5, 40))
            .ended(4, 25)
            .emits(moved_with_loss(MoveCause::Truncated, 40, 25, 25..40))
            .fetches(25, Some(4));
    }
}

/// Java's `LogTruncationException`, with the divergent offset where the leader knows it.
#[test]
fn a_truncation_without_a_policy_is_an_error_until_somebody_seeks() {
    let stuck = |divergent| PositionEvent::Stuck(PositionError::Truncated { offset: 40, divergent });
    let reading = || Script::reading(40, Reset::None);
    let mut beyond = reading();
    beyond.out_of_range(-1).asks(EARLIEST).listed(0).asks(LATEST).listed(30);
    beyond.asks(epoch_end(5, 40)).ended(4, 25).emits(stuck(Some(25)));
    let mut validated = reading();
    validated.leader_moves(6).asks(epoch_end(5, 40)).ended(5, 33).emits(stuck(Some(33)));
    let mut unknown = reading();
    unknown.leader_moves(6).asks(epoch_end(5, 40)).ended(-1, -1).emits(stuck(None));
    let mut diverging = reading();
    diverging.position.handle_diverging(diverging.now, 40, EpochEndOffset { epoch: 4, end_offset: 31 });
    diverging.emits(stuck(Some(31)));
    for mut script in [beyond, validated, unknown, diverging] {
        script.leader_moves(7).asks_nothing().emits_nothing();
        assert_eq!(script.position.fetch_position(script.now), None);
        assert_eq!((script.position.offset(), script.position.is_stuck()), (Some(40), true));
        script.position.seek(Start::Offset(25));
        script.emits(moved(MoveCause::Seek, Some(40), 25)).fetches(25, None);
    }
}

#[test]
fn a_truncation_below_the_start_of_the_log_goes_to_the_start() {
    Script::reading(40, Reset::Latest)
        .out_of_range(-1)
        .asks(EARLIEST)
        .listed(28)
        .asks(LATEST)
        .listed(30)
        .asks(epoch_end(5, 40))
        .ended(4, 25)
        .emits(moved_with_loss(MoveCause::Truncated, 40, 28, 25..40));
}

#[test]
fn beyond_the_end_where_nobody_knows_the_epoch_goes_to_the_end_and_not_to_the_policy() {
    let to_the_bounds = |script: &mut Script| {
        script.out_of_range(-1).asks(EARLIEST).listed(0).asks(LATEST).listed(30);
    };
    for policy in [Reset::Earliest, Reset::Latest] {
        let mut unknown = Script::reading(40, policy);
        to_the_bounds(&mut unknown);
        unknown.asks(epoch_end(5, 40)).ended(-1, -1);
        let mut unsupported = Script::reading(40, policy);
        to_the_bounds(&mut unsupported);
        unsupported.asks(epoch_end(5, 40)).epoch_fails(CallFailed::Unsupported);
        let mut never_read = Script::new(Start::Offset(40), policy);
        never_read.emits(moved(MoveCause::Started, None, 40));
        to_the_bounds(&mut never_read);
        for mut script in [unknown, unsupported, never_read] {
            script.emits(moved_with_loss(MoveCause::OutOfRangeAbove, 40, 30, 30..40)).fetches(30, None);
        }
    }
}

#[test]
fn beyond_the_end_without_a_policy_is_an_error() {
    let error = PositionError::OutOfRange { offset: 40, start: 10, end: Some(30) };
    Script::reading(40, Reset::None)
        .out_of_range(-1)
        .asks(EARLIEST)
        .listed(10)
        .asks(LATEST)
        .listed(30)
        .asks(epoch_end(5, 40))
        .ended(-1, -1)
        .emits(PositionEvent::Stuck(error));
}

#[test]
fn an_offset_that_is_there_after_all_is_fetched_again_after_a_pause() {
    Script::reading(40, Reset::Latest)
        .out_of_range(-1)
        .asks(EARLIEST)
        .listed(0)
        .asks(LATEST)
        .listed(40)
        .pauses()
        .asks(epoch_end(5, 40))
        .ended(5, 40)
        .fetches(40, Some(5));
}

#[test]
fn a_broker_that_stumbles_over_the_epoch_is_not_told_it_again() {
    Script::reading(40, Reset::Latest)
        .out_of_range(-1)
        .asks(EARLIEST)
        .listed(0)
        .asks(LATEST)
        .listed(50)
        .pauses()
        .asks(epoch_end(5, 40))
        .ended(-1, -1)
        .asks(EARLIEST)
        .listed(0)
        .asks(LATEST)
        .listed(50)
        .pauses()
        .fetches(40, None);
}

#[test]
fn a_broker_that_sends_a_position_about_is_followed_with_pauses() {
    let mut script = Script::reading(40, Reset::Latest);
    script
        .out_of_range(50)
        .emits(moved_with_loss(MoveCause::OutOfRangeBelow, 40, 50, 40..50))
        .fetches(50, None);
    script
        .out_of_range(60)
        .emits(moved_with_loss(MoveCause::OutOfRangeBelow, 50, 60, 50..60))
        .pauses()
        .fetches(60, None);
    script.out_of_range(-1).asks(EARLIEST).listed(0).asks(LATEST).listed(10);
    script.emits(moved_with_loss(MoveCause::OutOfRangeAbove, 60, 10, 10..60)).pauses().fetches(10, None);
    // A log that ends before it begins moves nothing.
    script.out_of_range(-1).asks(EARLIEST).listed(10).asks(LATEST).listed(5).pauses().fetches(10, None);
    // Records make it good.
    assert!(script.position.handle_delivered(10, 20, None));
    script
        .out_of_range(30)
        .emits(moved_with_loss(MoveCause::OutOfRangeBelow, 20, 30, 20..30))
        .fetches(30, None);
}

#[test]
fn a_follower_is_not_believed() {
    let mut script = Script::reading(40, Reset::Latest);
    script.position.handle_out_of_range(script.now, 40, Replica::Follower, 70);
    script.emits_nothing().pauses().fetches(40, Some(5));
}

#[test]
fn an_answer_to_another_offset_moves_nothing() {
    let mut script = Script::reading(40, Reset::Latest);
    script.position.handle_out_of_range(script.now, 30, Replica::Leader, 70);
    script.position.handle_diverging(script.now, 30, EpochEndOffset { epoch: 4, end_offset: 10 });
    script.position.handle_retry(script.now, 30);
    assert!(!script.position.handle_delivered(30, 45, None));
    script.fetches(40, Some(5));
}

// --- Leaders and epochs --------------------------------------------------------------------------------------------

#[test]
fn a_new_leader_validates_what_was_read() {
    Script::reading(40, Reset::Latest)
        .leader_moves(6)
        .asks(epoch_end(5, 40))
        .ended(5, 40)
        .fetches(40, Some(5));
}

#[test]
fn the_same_epoch_again_is_no_news() {
    Script::reading(40, Reset::Latest).leader_moves(5).fetches(40, Some(5));
}

#[test]
fn a_shorter_epoch_is_a_truncation() {
    Script::reading(40, Reset::Latest)
        .leader_moves(6)
        .asks(epoch_end(5, 40))
        .ended(5, 33)
        .emits(moved_with_loss(MoveCause::Truncated, 40, 33, 33..40))
        .fetches(33, Some(5));
}

#[test]
fn an_epoch_that_the_leader_does_not_know_is_no_loss() {
    // Where Java applies the reset policy, and with `latest` skips what is there.
    Script::reading(40, Reset::Latest)
        .leader_moves(6)
        .asks(epoch_end(5, 40))
        .ended(-1, -1)
        .asks(EARLIEST)
        .listed(0)
        .asks(LATEST)
        .listed(90)
        .emits_nothing()
        .pauses()
        .fetches(40, None);
}

#[test]
fn a_broker_that_cannot_validate_is_read_from_as_ever() {
    let cannot: [AskFailed; 3] = [
        CallFailed::Unsupported.into(),
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED.into(),
        ErrorCode::UNSUPPORTED_FOR_MESSAGE_FORMAT.into(),
    ];
    for failed in cannot {
        Script::reading(40, Reset::Latest)
            .leader_moves(6)
            .asks(epoch_end(5, 40))
            .epoch_fails(failed)
            .fetches(40, Some(5))
            // The next leader may be able to.
            .leader_moves(7)
            .asks(epoch_end(5, 40));
    }
    // Where nothing can be validated, the epoch may be what the broker stumbles over.
    Script::reading(40, Reset::Latest)
        .leader_moves(6)
        .asks(epoch_end(5, 40))
        .epoch_fails(CallFailed::Unsupported)
        .out_of_range(-1)
        .asks(EARLIEST)
        .listed(0)
        .asks(LATEST)
        .listed(50)
        .pauses()
        .fetches(40, None);
}

#[test]
fn validation_is_tried_until_it_is_answered() {
    Script::reading(40, Reset::Latest)
        .leader_moves(6)
        .asks(epoch_end(5, 40))
        .epoch_fails(ErrorCode::FENCED_LEADER_EPOCH)
        .pauses()
        .asks(epoch_end(5, 40))
        .epoch_fails(ErrorCode::UNKNOWN_LEADER_EPOCH)
        .pauses()
        .asks(epoch_end(5, 40))
        .epoch_fails(CallFailed::Disconnected)
        .pauses()
        .asks(epoch_end(5, 40))
        .ended(5, 50)
        .fetches(40, Some(5));
}

#[test]
fn a_leader_that_moves_on_is_not_waited_for() {
    let mut script = Script::reading(40, Reset::Latest);
    script.leader_moves(6).asks(epoch_end(5, 40));
    let old = script.id();
    script.leader_moves(7).asks(epoch_end(5, 40));
    let truncated = EpochEndOffset { epoch: 5, end_offset: 3 };
    script.position.handle_epoch_end(script.now, old, Ok(truncated));
    script.emits_nothing().ended(5, 50).fetches(40, Some(5));
}

#[test]
fn records_fetched_from_the_old_leader_wait_for_the_validation() {
    let mut script = Script::reading(40, Reset::Latest);
    script.leader_moves(6);
    assert!(!script.position.handle_delivered(40, 45, Some(LeaderEpoch(5))));
    script.asks(epoch_end(5, 40)).ended(5, 60).fetches(40, Some(5));
}

#[test]
fn a_diverging_log_is_a_truncation_without_a_question() {
    let mut script = Script::reading(40, Reset::Latest);
    script.position.handle_diverging(script.now, 40, EpochEndOffset { epoch: 4, end_offset: 31 });
    script.emits(moved_with_loss(MoveCause::Truncated, 40, 31, 31..40)).fetches(31, Some(4));
}

#[test]
fn a_divergence_that_moves_nothing_is_not_repeated_at_once() {
    let mut script = Script::reading(40, Reset::Latest);
    script.position.handle_diverging(script.now, 40, EpochEndOffset { epoch: 4, end_offset: 40 });
    script.emits_nothing().pauses().fetches(40, Some(4));
    script.position.handle_diverging(script.now, 40, EpochEndOffset { epoch: -1, end_offset: -1 });
    script.emits_nothing().asks(EARLIEST);
}

// --- Delivery, pauses, seeks ---------------------------------------------------------------------------------------

#[test]
fn delivery_moves_without_an_event() {
    let mut script = Script::reading(40, Reset::Latest);
    assert!(script.position.handle_delivered(40, 45, Some(LeaderEpoch(5))));
    assert!(!script.position.handle_delivered(40, 45, Some(LeaderEpoch(5))), "the same again");
    assert!(!script.position.handle_delivered(45, 45, None), "nothing");
    assert!(!script.position.handle_delivered(45, 44, None), "backwards");
    script.fetches(45, Some(5));
    // Batches of magic 0 and 1 have no epoch, and must not be validated by an older batch's.
    assert!(script.position.handle_delivered(45, 46, None));
    script.fetches(46, None).leader_moves(6).fetches(46, None);
}

#[test]
fn errors_pause_for_longer_and_longer_until_records_come() {
    let mut script = Script::reading(40, Reset::Latest);
    let mut pauses = Vec::new();
    for _ in 0..5 {
        script.position.handle_retry(script.now, 40);
        let before = script.now;
        script.pauses().fetches(40, Some(5));
        pauses.push(script.now - before);
    }
    assert!(pauses[4] > 3 * pauses[0], "{pauses:?}");
    assert!(script.position.handle_delivered(40, 41, Some(LeaderEpoch(5))));
    script.position.handle_retry(script.now, 41);
    let before = script.now;
    script.pauses();
    assert!(script.now - before < Duration::from_millis(130));
}

#[test]
fn a_seek_is_not_undone_by_a_late_answer() {
    let mut script = Script::new(Start::Latest, Reset::Latest);
    script.asks(LATEST);
    let late = script.id();
    script.position.seek(Start::Offset(10));
    script.emits(moved(MoveCause::Seek, None, 10));
    script.position.handle_listed_offset(script.now, late, Ok(999));
    script.position.handle_committed(script.now, late, Ok(None));
    script.fetches(10, None);
    script.position.seek(Start::Earliest);
    script.asks(EARLIEST);
    script.position.handle_listed_offset(script.now, late, Ok(999));
    script.emits_nothing().listed(0).emits(moved(MoveCause::Seek, Some(10), 0)).fetches(0, None);
}

#[test]
fn a_seek_forward_loses_nothing_that_was_wanted() {
    let mut script = Script::reading(40, Reset::Latest);
    script.position.seek(Start::Latest);
    script.asks(LATEST).listed(90).emits(moved(MoveCause::Seek, Some(40), 90)).fetches(90, None);
    script.position.seek(FROM_COMMITTED);
    script.asks(COMMITTED).committed(60, None).emits(moved(MoveCause::Seek, Some(90), 60)).fetches(60, None);
}

#[test]
fn a_position_in_place_of_another_says_where_that_was() {
    let instead = |from, cause, start| {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1), 7);
        let mut script = Script::new(Start::Earliest, Reset::Latest);
        script.position = Position::instead_of(from, cause, start, Reset::Latest, backoff);
        script
    };
    let (recreated, otherwise) = (MoveCause::TopicRecreated, Reset::Earliest);
    for from in [None, Some(7), Some(40)] {
        let seek = |start| instead(from, MoveCause::Seek, start);
        seek(Start::Offset(40)).emits(moved(MoveCause::Seek, from, 40)).fetches(40, None);
        seek(Start::Latest).asks(LATEST).listed(40).emits(moved(MoveCause::Seek, from, 40));
        // Nobody else deletes topics, but what lies in the new one is none of what lay in the old one.
        let mut again = instead(from, recreated, Start::Committed { otherwise });
        again.asks(COMMITTED).never_committed().asks(EARLIEST).listed(40).emits(moved(recreated, from, 40));
        let mut again = instead(from, recreated, Start::Committed { otherwise });
        again.asks(COMMITTED).committed(40, None).emits(moved(recreated, from, 40));
    }
}

#[test]
fn a_refused_look_up_is_tried_again() {
    Script::new(Start::Latest, Reset::Latest)
        .asks(LATEST)
        .listing_fails(ErrorCode::NOT_LEADER_OR_FOLLOWER)
        .emits_nothing()
        .pauses()
        .asks(LATEST)
        .listing_fails(ErrorCode::TOPIC_AUTHORIZATION_FAILED)
        .emits(PositionEvent::Refused(ErrorCode::TOPIC_AUTHORIZATION_FAILED))
        .pauses()
        .asks(LATEST);
}

#[test]
fn skipping_a_corrupt_batch_names_what_is_lost() {
    let mut script = Script::reading(40, Reset::Latest);
    script.position.skip_corrupt(31, 35);
    script.emits(moved_with_loss(MoveCause::SkippedCorrupt, 31, 35, 31..35)).fetches(35, None);
}

#[test]
fn what_was_thrown_away_is_fetched_again_after_a_pause() {
    let mut script = Script::reading(40, Reset::Latest);
    script.position.refetch(script.now, 31);
    script.emits_nothing().pauses().fetches(31, Some(5));
}

#[test]
fn fetching_again_is_no_way_to_a_position_nor_forward() {
    let mut script = Script::new(Start::Latest, Reset::Latest);
    script.position.refetch(script.now, 7);
    assert_eq!(script.position.fetch_position(script.now), None);
    let mut script = Script::reading(40, Reset::Latest);
    script.position.refetch(script.now, 50);
    assert_eq!(script.position.offset(), Some(40));
}

#[test]
fn fetching_again_does_not_do_without_the_validation() {
    let mut script = Script::reading(40, Reset::Latest);
    script.position.handle_leader_changed(Some(LeaderEpoch(6)));
    script.position.refetch(script.now, 31);
    script.asks(epoch_end(5, 31));
}

#[test]
fn an_epoch_later_than_the_one_asked_for_is_not_believed() {
    let mut script = Script::reading(40, Reset::Latest);
    script.position.handle_leader_changed(Some(LeaderEpoch(6)));
    script.asks(epoch_end(5, 40));
    let end = EpochEndOffset { epoch: i32::MAX, end_offset: 90 };
    script.position.handle_epoch_end(script.now, script.id(), Ok(end));
    script.asks(EARLIEST);
}
