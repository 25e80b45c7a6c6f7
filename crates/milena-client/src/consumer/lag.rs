//! How far behind a reader is.

use std::time::Duration;

/// How far behind the reader of a partition is, from what fetch answers say by the way: nobody is asked for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Lag {
    /// Offsets between the next one to hand out and the end of what can be read: the high watermark, or under read_committed the
    /// last stable offset. As many records at most: compaction, transactions' markers and aborted records leave gaps.
    ///
    /// The end is where the broker last said it is. It says so with every change, as long as the partition is fetched: not
    /// while it is paused, or its share of the budget is used up.
    pub records: u64,
    /// How long ago the next record to hand out was written, by its timestamp and this machine's clock: how old the news is
    /// that the program does not have yet. Zero at the end, however long ago anything was written.
    ///
    /// The timestamp is the first of the next record's batch. Where that is not fetched yet, because the budget is used up or
    /// the partition is paused, it is the latest of what was handed out last: the lag is at most that long, if the log is in
    /// the order of its timestamps. `None` if neither is known, or records have no timestamps.
    pub time: Option<Duration>,
}

impl Lag {
    pub(crate) fn new(end: i64, position: i64, next_ms: Option<i64>, wall_ms: i64) -> Self {
        let records = u64::try_from(end.saturating_sub(position)).unwrap_or(0);
        let since = |ms: i64| Duration::from_millis(u64::try_from(wall_ms.saturating_sub(ms)).unwrap_or(0));
        let time = if records == 0 { Some(Duration::ZERO) } else { next_ms.map(since) };
        Self { records, time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(end: i64, position: i64, next_ms: Option<i64>) -> (u64, Option<u64>) {
        let lag = Lag::new(end, position, next_ms, 10_000);
        (lag.records, lag.time.map(|time| time.as_secs()))
    }

    #[test]
    fn lag_is_what_is_left_and_how_old_it_is() {
        assert_eq!(lag(10, 4, Some(3_000)), (6, Some(7)));
        assert_eq!(lag(10, 4, None), (6, None));
        assert_eq!(lag(10, 10, Some(3_000)), (0, Some(0)), "at the end nothing is late");
        assert_eq!(lag(10, 4, Some(11_000)), (6, Some(0)), "written by a clock that is ahead");
        assert_eq!(lag(10, 12, None), (0, Some(0)), "the end is older news than the position");
        assert_eq!(lag(i64::MAX, i64::MIN, Some(i64::MIN)).0, i64::MAX as u64);
    }
}
