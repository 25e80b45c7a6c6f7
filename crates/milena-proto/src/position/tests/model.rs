//! Whatever brokers say: no move without a cause, no stall without a reason.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Op {
    Answer(Answer),
    /// An answer to a question that was asked before the one that is open.
    LateAnswer(i64),
    Deliver {
        from_here: bool,
        records: i64,
        epoch: Option<i32>,
    },
    OutOfRange {
        follower: bool,
        log_start: i64,
    },
    Diverging {
        epoch: i32,
        end_offset: i64,
    },
    Retry,
    LeaderMoves(Option<i32>),
    Seek(Start),
    Wait,
}

#[derive(Clone, Debug)]
enum Answer {
    Offset(i64),
    Nothing,
    Epoch { epoch: i32, end_offset: i64 },
    Error(i16),
    Failed(CallFailed),
}

fn offset() -> impl Strategy<Value = i64> + Clone {
    prop_oneof![4 => 0..100i64, 1 => Just(-1), 1 => Just(i64::MIN), 1 => Just(i64::MAX), 1 => -9..0i64]
}

fn epoch() -> impl Strategy<Value = i32> + Clone {
    prop_oneof![4 => 0..9, 1 => Just(-1), 1 => Just(i32::MAX)]
}

fn start() -> impl Strategy<Value = Start> {
    let reset = || {
        prop_oneof![Just(Reset::Earliest), Just(Reset::Latest), Just(Reset::None), Just(Reset::Timestamp(7)),]
    };
    prop_oneof![
        Just(Start::Earliest),
        Just(Start::Latest),
        Just(Start::Timestamp(7)),
        reset().prop_map(|otherwise| Start::Committed { otherwise }),
        (0..90i64).prop_map(Start::Offset),
        any::<u64>().prop_map(Start::Tail),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let failed = prop_oneof![
        Just(CallFailed::Disconnected),
        Just(CallFailed::TimedOut),
        Just(CallFailed::Unsupported),
        Just(CallFailed::Malformed),
    ];
    let answer = prop_oneof![
        6 => offset().prop_map(Answer::Offset),
        1 => Just(Answer::Nothing),
        4 => (epoch(), offset()).prop_map(|(epoch, end_offset)| Answer::Epoch { epoch, end_offset }),
        1 => (-1..120i16).prop_map(Answer::Error),
        1 => failed.prop_map(Answer::Failed),
    ];
    let delivery = (prop::bool::weighted(0.8), offset(), prop::option::of(epoch()));
    prop_oneof![
        8 => answer.prop_map(Op::Answer),
        1 => offset().prop_map(Op::LateAnswer),
        4 => delivery.prop_map(|(from_here, records, epoch)| Op::Deliver { from_here, records, epoch }),
        2 => (any::<bool>(), offset()).prop_map(|(follower, log_start)| Op::OutOfRange { follower, log_start }),
        1 => (epoch(), offset()).prop_map(|(epoch, end_offset)| Op::Diverging { epoch, end_offset }),
        1 => Just(Op::Retry),
        2 => prop::option::of(epoch()).prop_map(Op::LeaderMoves),
        1 => start().prop_map(Op::Seek),
        4 => Just(Op::Wait),
    ]
}

struct World {
    now: Instant,
    position: Position,
    open: Option<(RequestId, PositionRequest)>,
    asked: u64,
    /// Where the position is, by what was told about it.
    told: Option<i64>,
}

impl World {
    fn apply(&mut self, op: &Op) {
        let (now, here) = (self.now, self.told.unwrap_or(0));
        match *op {
            Op::Answer(ref answer) => self.answer(answer),
            Op::LateAnswer(offset) => {
                let late = RequestId(self.asked.saturating_sub(1));
                if self.open.is_none_or(|(id, _)| id != late) {
                    let before = (self.position.state, self.position.pending);
                    self.position.handle_listed_offset(now, late, Ok(offset));
                    self.position.handle_committed(now, late, Ok(Some((offset, None))));
                    let end = EpochEndOffset { epoch: 1, end_offset: offset };
                    self.position.handle_epoch_end(now, late, Ok(end));
                    assert_eq!(
                        (self.position.state, self.position.pending),
                        before,
                        "a late answer is heard"
                    );
                }
            }
            Op::Deliver { from_here, records, epoch } => {
                let from = if from_here { here } else { here.wrapping_add(1) };
                let next = from.saturating_add(records);
                if self.position.handle_delivered(from, next, epoch.and_then(LeaderEpoch::from_wire)) {
                    assert!(from_here && next > from, "only records that belong here are taken");
                    self.told = Some(next);
                }
            }
            Op::OutOfRange { follower, log_start } => {
                let from = if follower { Replica::Follower } else { Replica::Leader };
                self.position.handle_out_of_range(now, here, from, log_start);
            }
            Op::Diverging { epoch, end_offset } => {
                self.position.handle_diverging(now, here, EpochEndOffset { epoch, end_offset });
            }
            Op::Retry => self.position.handle_retry(now, here),
            Op::LeaderMoves(epoch) => {
                self.position.handle_leader_changed(epoch.and_then(LeaderEpoch::from_wire))
            }
            Op::Seek(to) => self.position.seek(to),
            Op::Wait => {
                if let Some(until) = self.position.poll_timeout() {
                    self.now = until;
                    self.position.handle_timeout(until);
                }
            }
        }
        self.check();
    }

    fn answer(&mut self, answer: &Answer) {
        let Some((id, request)) = self.open else { return };
        let failed = match *answer {
            Answer::Error(code) if code != 0 => Some(AskFailed::Broker(ErrorCode(code))),
            Answer::Failed(failed) => Some(AskFailed::Call(failed)),
            _ => None,
        };
        let offset = if let Answer::Offset(offset) = answer { *offset } else { 33 };
        match request {
            PositionRequest::Committed => {
                let nothing = matches!(answer, Answer::Nothing);
                let committed = (!nothing).then_some((offset, LeaderEpoch::from_wire(offset as i32)));
                self.position.handle_committed(self.now, id, failed.map_or(Ok(committed), Err));
            }
            PositionRequest::ListOffset { .. } => {
                self.position.handle_listed_offset(self.now, id, failed.map_or(Ok(offset), Err));
            }
            PositionRequest::EpochEnd { .. } => {
                let end = match *answer {
                    Answer::Epoch { epoch, end_offset } => EpochEndOffset { epoch, end_offset },
                    _ => EpochEndOffset { epoch: 3, end_offset: offset },
                };
                self.position.handle_epoch_end(self.now, id, failed.map_or(Ok(end), Err));
            }
        }
    }

    /// After every step: each move is told and goes on from where the last one ended, and there is always a next thing.
    fn check(&mut self) {
        while let Some(event) = self.position.poll_event() {
            let PositionEvent::Moved { cause, from, to, lost } = event else { continue };
            assert!(from.is_none() || from == self.told, "{cause}: from {from:?}, it was at {:?}", self.told);
            if let Some(lost) = &lost {
                assert!(lost.start < lost.end && (lost.end == to || Some(lost.end) == from));
            }
            match cause {
                MoveCause::Truncated => assert!(lost.is_some_and(|lost| Some(lost.start) < from)),
                MoveCause::OutOfRangeAbove => assert!(lost.is_some_and(|lost| Some(lost.end) == from)),
                MoveCause::OutOfRangeBelow => assert!(from.is_some_and(|from| from < to)),
                _ => {}
            }
            self.told = Some(to);
        }
        assert_eq!(self.position.offset().or(self.told), self.told, "a move that nobody was told of");
        if let Some((id, request)) = self.position.poll_request(self.now) {
            self.asked = id.0;
            self.open = Some((id, request));
        }
        let fetches = self.position.fetch_position(self.now);
        assert!(fetches.is_none_or(|at| at.offset >= 0 && Some(at.offset) == self.told));
        let waits = self.position.poll_timeout().is_some();
        let asks = self.position.pending.is_some();
        assert!(fetches.is_some() || waits || asks || self.position.is_stuck(), "it stalls without a reason");
        assert!(fetches.is_none() || !asks, "it fetches while a question is open");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_move_without_a_cause_and_no_stall_without_a_reason(
        at in start(),
        ops in prop::collection::vec(op(), 0..120),
    ) {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1), 7);
        let script = Script::new(Start::Earliest, Reset::None);
        let position = Position::new(at, Reset::Latest, backoff);
        let mut world = World { now: script.now, position, open: None, asked: 0, told: None };
        world.check();
        for op in &ops {
            world.apply(op);
        }
    }
}
