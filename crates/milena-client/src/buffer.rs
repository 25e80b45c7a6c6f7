//! Buffers for frames, that come back when their last slice is dropped.
//!
//! A fresh large allocation costs a page fault for each 4 KiB; a reused one costs nothing. What lies idle in the pool
//! is bounded, and so is the waste: a small frame never takes a large buffer.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::budget::Credit;

/// Bytes that may lie idle. Part of the 32 MiB that Milena may use beside its budget.
const IDLE_BYTES_MAX: usize = 16 << 20;
/// Buffers that may lie idle.
const IDLE_BUFFERS_MAX: usize = 64;
/// Frames smaller than this are not worth a place in the pool.
const POOLED_BYTES_MIN: usize = 16 << 10;
/// A buffer may be this much larger than the frame it is taken for.
const WASTE_FACTOR_MAX: usize = 4;

/// A pool of buffers. Clones share it.
#[derive(Clone, Default, Debug)]
pub(crate) struct BufferPool(Arc<Mutex<Idle>>);

#[derive(Default, Debug)]
struct Idle {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl BufferPool {
    /// An empty buffer for a frame of that length, of no more than `capacity_max` bytes: those are paid for. Its capacity is
    /// whatever was at hand: the reader grows it as bytes arrive, never on a length alone.
    pub(crate) fn take(&self, frame_len: usize, capacity_max: usize) -> Vec<u8> {
        if frame_len < POOLED_BYTES_MIN {
            return Vec::new();
        }
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |buffer: &Vec<u8>| {
            (frame_len..=capacity_max).contains(&buffer.capacity())
                && buffer.capacity() / WASTE_FACTOR_MAX <= frame_len
        };
        let best = idle
            .buffers
            .iter()
            .enumerate()
            .filter(|(_, buffer)| fits(buffer))
            .min_by_key(|(_, buffer)| buffer.capacity())
            .map(|(index, _)| index);
        let Some(best) = best else { return Vec::new() };
        let buffer = idle.buffers.swap_remove(best);
        idle.bytes -= buffer.capacity();
        buffer
    }

    fn put(&self, mut buffer: Vec<u8>) {
        let capacity = buffer.capacity();
        if !(POOLED_BYTES_MIN..=IDLE_BYTES_MAX).contains(&capacity) {
            return;
        }
        buffer.clear();
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.bytes += capacity;
        idle.buffers.push(buffer);
        // The oldest go first, so that sizes nobody asks for any more do not stay for ever.
        while idle.bytes > IDLE_BYTES_MAX || idle.buffers.len() > IDLE_BUFFERS_MAX {
            let old = idle.buffers.remove(0);
            idle.bytes -= old.capacity();
        }
    }

    /// Turns a filled buffer into shared bytes; buffer and credit go back when the last slice is dropped.
    pub(crate) fn share(&self, buffer: Vec<u8>, credit: Option<Credit>) -> Bytes {
        Bytes::from_owner(Frame { buffer, pool: self.clone(), _credit: credit })
    }
}

struct Frame {
    buffer: Vec<u8>,
    pool: BufferPool,
    _credit: Option<Credit>,
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.pool.put(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    #[test]
    fn a_buffer_and_its_credit_come_back_with_the_last_slice() {
        let (pool, budget) = (BufferPool::default(), Budget::new(1 << 20));
        let bytes = pool.share(vec![7; 100_000], Some(budget.take(100_000)));
        let slice = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(budget.used(), 100_000);
        assert_eq!(pool.take(100_000, usize::MAX).capacity(), 0);
        drop(slice);
        assert_eq!(budget.used(), 0);
        assert!(pool.take(100_000, usize::MAX).capacity() >= 100_000);
    }

    #[test]
    fn a_small_frame_does_not_take_a_large_buffer() {
        let pool = BufferPool::default();
        drop(pool.share(vec![0; 1 << 20], None));
        assert_eq!(pool.take(20_000, usize::MAX).capacity(), 0);
        assert_eq!(pool.take(500_000, 600_000).capacity(), 0);
        assert!(pool.take(500_000, usize::MAX).capacity() >= 1 << 20);
    }

    #[test]
    fn what_lies_idle_is_bounded() {
        let pool = BufferPool::default();
        for _ in 0..40 {
            drop(pool.share(vec![0; 1 << 20], None));
        }
        assert!(pool.0.lock().unwrap().bytes <= IDLE_BYTES_MAX);
    }
}
