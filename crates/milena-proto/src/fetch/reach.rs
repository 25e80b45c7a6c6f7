//! How much to ask for in one request, by how long the broker's first byte is waited for.

use std::time::Duration;

/// Keeps a connection busy where answers are long in coming.
///
/// A connection has one fetch under way, so between a request and the first byte of its answer nothing is received: a round
/// trip, and what the broker takes to look. With `max.partition.fetch.bytes` of Kafka's default, 1 MiB, four partitions over a
/// network of 5 ms would be read at 800 MB/s at most, whatever the machine. So while answers come filled and the wait for
/// them is a good part of their time, twice as much is asked for; and half as much again once the wait is short, as smaller
/// buffers stay in the processor's caches.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reach {
    doublings: u32,
    /// Filled answers in a row whose wait was long although no more could be asked for.
    short: u32,
}

impl Reach {
    /// As much as is usual.
    pub fn new() -> Self {
        Self::default()
    }

    /// An answer that was filled, which says that there was more: `wait` until its first byte, `transfer` from there to the
    /// last; `starved`: its reader had nothing left to read by then, else the wait costs nothing. `most` is the multiple of what
    /// is usual that there is room for.
    pub fn handle_filled(&mut self, starved: bool, wait: Duration, transfer: Duration, most: u32) {
        self.bound(most);
        if wait * WAIT_SHORT < transfer {
            self.handle_unfilled();
        } else if !starved || wait < WAIT_MIN.max(transfer / WAIT_LONG) {
            self.short = 0;
        } else if self.factor() * 2 <= most {
            self.doublings += 1;
        } else {
            self.short = self.short.saturating_add(1);
        }
    }

    /// An answer that had room for more: its reader has caught up, and its wait says nothing, as the broker may have held it.
    pub fn handle_unfilled(&mut self) {
        self.short = 0;
        self.doublings = self.doublings.saturating_sub(1);
    }

    /// There is another connection from here on: what this one is short of shows anew.
    pub fn handle_relief(&mut self) {
        self.short = 0;
    }

    /// There is room for so many times what is usual, no more.
    pub fn bound(&mut self, most: u32) {
        self.doublings = self.doublings.min(most.max(1).ilog2());
    }

    /// Times what is usual to ask for.
    pub fn factor(&self) -> u32 {
        1 << self.doublings
    }

    /// Whether all that may be asked for does not cover the wait: another connection would.
    pub fn is_short(&self) -> bool {
        self.short >= SHORT_ANSWERS
    }
}

/// Wait is long from half of the transfer on, ...
const WAIT_LONG: u32 = 2;
/// ... if it is not what a busy machine takes to wake a task.
const WAIT_MIN: Duration = Duration::from_millis(1);
/// And short below an eighth of it: between the two nothing changes.
const WAIT_SHORT: u32 = 8;
/// One answer may be late for any reason.
const SHORT_ANSWERS: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_long_wait_doubles_what_is_asked_for_up_to_what_there_is_room_for() {
        let mut reach = Reach::new();
        let factors: Vec<u32> = (0..4)
            .map(|_| {
                reach.handle_filled(true, ms(5), ms(2), 7);
                reach.factor()
            })
            .collect();
        assert_eq!(factors, [2, 4, 4, 4]);
    }

    #[test]
    fn a_short_wait_halves_it_again_and_one_between_changes_nothing() {
        let mut reach = Reach::new();
        reach.handle_filled(true, ms(5), ms(2), 8);
        reach.handle_filled(true, ms(5), ms(4), 8);
        assert_eq!(reach.factor(), 4);
        reach.handle_filled(true, ms(2), ms(8), 8);
        assert_eq!(reach.factor(), 4);
        reach.handle_filled(true, ms(1), ms(9), 8);
        assert_eq!(reach.factor(), 2);
        reach.handle_unfilled();
        reach.handle_unfilled();
        assert_eq!(reach.factor(), 1);
    }

    #[test]
    fn a_wait_that_keeps_nobody_waiting_asks_for_no_more() {
        let mut reach = Reach::new();
        reach.handle_filled(true, ms(5), ms(1), 8);
        for _ in 0..=SHORT_ANSWERS {
            reach.handle_filled(false, ms(5), ms(1), 2);
        }
        assert_eq!((reach.factor(), reach.is_short()), (2, false));
        reach.handle_filled(false, ms(1), ms(9), 2);
        assert_eq!(reach.factor(), 1);
    }

    #[test]
    fn what_a_busy_machine_takes_to_wake_a_task_is_no_wait() {
        let mut reach = Reach::new();
        reach.handle_filled(true, Duration::from_micros(900), Duration::from_micros(900), 8);
        assert_eq!(reach.factor(), 1);
    }

    #[test]
    fn less_room_takes_it_back_at_once() {
        let mut reach = Reach::new();
        for _ in 0..5 {
            reach.handle_filled(true, ms(5), ms(1), 64);
        }
        assert_eq!(reach.factor(), 32);
        reach.bound(3);
        assert_eq!(reach.factor(), 2);
        reach.bound(0);
        assert_eq!(reach.factor(), 1);
    }

    #[test]
    fn it_is_short_only_after_several_long_waits_at_its_bound() {
        let mut reach = Reach::new();
        for _ in 0..SHORT_ANSWERS {
            assert!(!reach.is_short());
            reach.handle_filled(true, ms(5), ms(1), 1);
        }
        assert!(reach.is_short());
        reach.handle_filled(true, ms(1), ms(4), 1);
        assert!(!reach.is_short());
        for _ in 0..SHORT_ANSWERS {
            reach.handle_filled(true, ms(5), ms(1), 1);
        }
        reach.handle_relief();
        assert!(!reach.is_short());
        for _ in 0..SHORT_ANSWERS {
            reach.handle_filled(true, ms(5), ms(1), 1);
        }
        reach.handle_unfilled();
        assert!(!reach.is_short());
    }
}
