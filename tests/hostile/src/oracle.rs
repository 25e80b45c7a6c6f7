//! What must hold while bytes are read: no panic, no memory beyond what the bytes justify, no time beyond their length.
//!
//! Memory is counted by the allocator, for the whole process: whoever measures runs alone, one thread at a time. What C code
//! takes (libzstd's contexts) is not seen.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::ALLOCATED;

/// Every input may take this many times its own length in memory, ...
pub const FACTOR: usize = 8;
/// ... and this much on top.
pub const SLACK: usize = 64 << 10;

/// The bound for an input of `len` bytes that nothing was configured for.
pub fn bound(len: usize) -> usize {
    len * FACTOR + SLACK
}

/// Runs `f`; what it returns, and by how many bytes the memory in use was higher at its highest than before.
pub fn peak<T>(f: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATED.reset_peak_usage();
    let before = ALLOCATED.current_usage();
    let result = f();
    (result, ALLOCATED.peak_usage().saturating_sub(before))
}

/// Begins to look for the highest number of bytes in use.
pub fn reset_peak() {
    ALLOCATED.reset_peak_usage();
}

/// The highest number of bytes in use since [`reset_peak`].
pub fn peak_now() -> usize {
    ALLOCATED.peak_usage()
}

/// Bytes in use now.
pub fn in_use() -> usize {
    ALLOCATED.current_usage()
}

/// Runs `f` and insists that it took no more than `bound` bytes of memory at any time.
///
/// # Panics
/// It took more.
pub fn within<T>(what: &str, bound: usize, f: impl FnOnce() -> T) -> T {
    let (result, peak) = peak(f);
    assert!(peak <= bound, "{what} took {peak} bytes of memory, {bound} are allowed");
    result
}

/// Keeps everybody else who measures out.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether time counts: it does while fuzzing, never in a test, which may run on a machine that is busy with others.
static TIMED: AtomicBool = AtomicBool::new(false);

/// From here on an input that takes longer than [`time_allowed`] is a finding.
pub fn watch_the_time() {
    TIMED.store(true, Ordering::Relaxed);
}

/// A microsecond for every byte, and a millisecond on top. `len` counts the input and what it may decompress to.
pub fn time_allowed(len: usize) -> Duration {
    Duration::from_millis(1) + Duration::from_micros(len as u64)
}

/// Runs a check on an input, in time if that counts.
///
/// # Panics
/// The check does, or takes too long four times in a row, by the processor's time and not by the clock on the wall.
pub fn run(target: &crate::target::Target, input: &[u8]) {
    if !TIMED.load(Ordering::Relaxed) {
        return (target.check)(input);
    }
    let allowed = time_allowed(input.len() + target.decompressed_max);
    let start = Instant::now();
    (target.check)(input);
    if start.elapsed() <= allowed {
        return;
    }
    let mut best = Duration::MAX;
    for _ in 0..3 {
        let before = cpu_time();
        (target.check)(input);
        best = best.min(cpu_time().saturating_sub(before));
        if best <= allowed {
            return;
        }
    }
    panic!("{} took {best:?} for {} bytes, {allowed:?} are allowed", target.name, input.len());
}

/// What this thread has had of the processor; nothing where the system does not say.
fn cpu_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let ns = text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0);
    Duration::from_nanos(ns)
}
