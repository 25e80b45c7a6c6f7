//! The shell's clock: Tokio's, so that a paused runtime drives the machines too.

use std::time::Instant;

/// Now, on Tokio's clock.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Sleeps until then; for ever where there is nothing to wait for.
pub(crate) async fn until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then.into()).await,
        None => std::future::pending().await,
    }
}

/// Milliseconds since 1970: only to turn "an hour ago" into a timestamp that a broker understands.
pub(crate) fn wall_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
