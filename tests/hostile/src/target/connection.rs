//! The machine of a connection: every request has one outcome, whatever comes.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use proto::connection::{Connection, CorrelationId, frame_length};
use proto::types::CallFailed;
use proto::wire::ApiKey;

use crate::take::Take;

pub(super) fn machine(input: &[u8]) {
    let mut take = Take::new(input);
    let mut connection = Connection::new();
    let mut now = Instant::now();
    // Ours: what is in flight, oldest first.
    let mut open: VecDeque<CorrelationId> = VecDeque::new();
    let mut sent = 0_u64;
    let mut outcomes = 0_u64;
    let mut broken = false;
    while !take.is_empty() {
        match take.u8() % 6 {
            0 => {
                let api = ApiKey(take.number() as i16);
                let deadline = now + Duration::from_millis(take.number().unsigned_abs() % 100_000);
                open.push_back(connection.send(now, api, 0, deadline, take.number().unsigned_abs() as usize));
                sent += 1;
            }
            1 => {
                let mut prefix = [0; 4];
                prefix.fill_with(|| take.u8());
                let length = connection.handle_length(prefix);
                assert!(open.front().is_some() || length.is_err(), "nothing was asked");
                if let Ok(length) = length {
                    assert_eq!(frame_length(prefix, length), Ok(length));
                }
                broken |= length.is_err();
            }
            2 => {
                let id = match take.u8() % 4 {
                    0 => None,
                    1 => Some(take.number32()),
                    _ => open.get(take.below(3)).map(|id| id.0),
                };
                match connection.handle_frame(now, id) {
                    Ok(completed) => {
                        assert!(!broken);
                        assert_eq!(
                            Some(completed.correlation_id),
                            open.pop_front(),
                            "the oldest, and no other"
                        );
                        outcomes += 1;
                    }
                    Err(_) => {
                        assert!(broken || id.is_none() || id != open.front().map(|id| id.0));
                        broken = true;
                    }
                }
            }
            3 => {
                connection.handle_throttle(now, take.number32());
                let pause = connection.muted_until().map(|until| until.saturating_duration_since(now));
                assert!(pause.is_none_or(|pause| pause <= proto::connection::THROTTLE_MAX));
            }
            4 => {
                now += Duration::from_millis(take.number().unsigned_abs() % 100_000);
                broken |= !connection.handle_timeout(now).is_empty();
            }
            _ => {
                let failed = connection.handle_closed();
                assert!(failed.iter().map(|failed| failed.correlation_id).eq(open.drain(..)));
                let reasons = [CallFailed::TimedOut, CallFailed::Disconnected];
                assert!(failed.iter().all(|failed| reasons.contains(&failed.reason)));
                outcomes += failed.len() as u64;
                broken = true;
            }
        }
        assert_eq!(connection.in_flight(), open.len());
        assert!(!broken || !connection.may_send(now));
    }
    outcomes += connection.handle_closed().len() as u64;
    assert_eq!(sent, outcomes, "every request has one outcome");
}
