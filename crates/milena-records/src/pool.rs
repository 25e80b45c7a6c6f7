//! Output buffers of decompression that come home when the last record in them is dropped.
//!
//! A fresh megabyte costs page faults worth a tenth of the decompression that fills it, so buffers are used again. What
//! waits in the pool is bounded in number and in bytes.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::Fault;

/// Buffers that wait for work. Shared with every buffer that is out.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Pool {
    /// An output for about `hint` bytes: the smallest idle buffer that holds them, or the largest.
    pub(crate) fn take(&self, hint: usize, limit: usize) -> Output {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fitting = |(_, buffer): &(usize, &Vec<u8>)| buffer.len() >= hint;
        let best = idle
            .iter()
            .enumerate()
            .filter(fitting)
            .min_by_key(|(_, buffer)| buffer.len())
            .or_else(|| idle.iter().enumerate().max_by_key(|(_, buffer)| buffer.len()))
            .map(|(index, buffer)| (index, buffer.capacity()));
        // A buffer is charged by what it occupies, so a small batch must not sit in a huge one.
        let buffer = match best {
            Some((index, capacity)) if capacity / WASTE_MAX <= hint.max(BUFFER_MIN) => {
                idle.swap_remove(index)
            }
            _ => Vec::new(),
        };
        Output { buffer, filled: 0, limit }
    }

    /// Takes a buffer back, unless enough of them wait already.
    pub(crate) fn put(&self, buffer: Vec<u8>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting: usize = idle.iter().map(Vec::capacity).sum();
        if idle.len() < IDLE_BUFFERS_MAX && waiting + buffer.capacity() <= IDLE_BYTES_MAX {
            idle.push(buffer);
        }
    }

    pub(crate) fn idle_bytes(&self) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).iter().map(Vec::capacity).sum()
    }

    /// Turns an output into `Bytes` whose last reference brings the buffer back here and drops `guard`.
    pub(crate) fn share<G: Send + 'static>(&self, output: Output, guard: G) -> Bytes {
        let Output { buffer, filled, .. } = output;
        Bytes::from_owner(Pooled { buffer, filled, pool: self.clone(), _guard: guard })
    }
}

/// A buffer on loan.
struct Pooled<G> {
    buffer: Vec<u8>,
    filled: usize,
    pool: Pool,
    _guard: G,
}

impl<G> AsRef<[u8]> for Pooled<G> {
    fn as_ref(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }
}

impl<G> Drop for Pooled<G> {
    fn drop(&mut self) {
        self.pool.put(std::mem::take(&mut self.buffer));
    }
}

/// A buffer that grows with what is written to it, up to a limit.
///
/// The vector's length is the part that has ever been initialised, so a buffer that is used again is not zeroed again;
/// `filled` is what counts. One byte more than the limit may be written: that is how too much is told from just enough.
#[derive(Debug)]
pub(crate) struct Output {
    buffer: Vec<u8>,
    filled: usize,
    limit: usize,
}

// Each codec writes in its own way, so what is in use depends on the features.
#[cfg_attr(
    not(all(
        feature = "gzip",
        feature = "snappy",
        feature = "lz4",
        feature = "zstd",
        feature = "zstd-pure"
    )),
    allow(dead_code)
)]
impl Output {
    #[cfg(test)]
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self { buffer: Vec::new(), filled: 0, limit }
    }

    /// Room for at least one byte, more if the buffer is large: for codecs that stream.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.filled == self.buffer.len() {
            self.grow(self.filled + 1);
        }
        let end = self.buffer.len().min(self.limit + 1);
        &mut self.buffer[self.filled..end]
    }

    /// Room for up to `want` bytes, less only at the limit: for codecs that need their output in one piece.
    pub(crate) fn room_for(&mut self, want: usize) -> &mut [u8] {
        let end = self.filled.saturating_add(want).min(self.limit + 1);
        if end > self.buffer.len() {
            self.grow(end);
        }
        &mut self.buffer[self.filled..end]
    }

    /// The same behind up to `window` bytes of what is written so far, for blocks that refer back; where the room begins.
    pub(crate) fn room_behind(&mut self, window: usize, want: usize) -> (usize, &mut [u8]) {
        let window = window.min(self.filled);
        let end = self.filled + self.room_for(want).len();
        (window, &mut self.buffer[self.filled - window..end])
    }

    /// Counts `written` bytes of the room as filled.
    pub(crate) fn advance(&mut self, written: usize) -> Result<(), Fault> {
        self.filled += written;
        debug_assert!(self.filled <= self.buffer.len());
        if self.filled > self.limit { Err(self.too_large()) } else { Ok(()) }
    }

    /// Appends bytes that a codec left as they are.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let room = self.room_for(bytes.len());
        if room.len() < bytes.len() {
            return Err(self.too_large());
        }
        room.copy_from_slice(bytes);
        self.advance(bytes.len())
    }

    pub(crate) fn too_large(&self) -> Fault {
        Fault::DecompressedTooLarge { limit: self.limit }
    }

    #[cfg_attr(not(feature = "zstd-pure"), allow(dead_code))]
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Room that is there without growing.
    pub(crate) fn spare(&self) -> usize {
        self.buffer.len().min(self.limit + 1) - self.filled
    }

    pub(crate) fn filled(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// Bytes of memory it occupies, used or not.
    pub(crate) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    pub(crate) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    fn grow(&mut self, needed: usize) {
        let doubled = self.buffer.len().saturating_mul(2).max(BUFFER_MIN);
        let len = needed.max(doubled.min(self.limit + 1));
        // `resize` alone may double the capacity beyond what is asked for.
        self.buffer.reserve_exact(len - self.buffer.len());
        self.buffer.resize(len, 0);
    }
}

/// Smallest buffer, in bytes: less is not worth a pool.
const BUFFER_MIN: usize = 16 * 1024;
/// How many times larger than asked for a used buffer may be.
const WASTE_MAX: usize = 16;
/// Most buffers that wait in a pool.
const IDLE_BUFFERS_MAX: usize = 8;
/// Most bytes that wait in a pool.
const IDLE_BYTES_MAX: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_home_with_the_last_reference_and_drops_its_guard() {
        let pool = Pool::default();
        let guard = Arc::new(());
        let mut output = pool.take(0, 1000);
        output.write(b"hello").unwrap();
        let bytes = pool.share(output, Arc::clone(&guard));
        let slice = bytes.slice(1..3);
        drop(bytes);
        assert_eq!(&slice[..], b"el");
        assert_eq!((pool.idle_bytes(), Arc::strong_count(&guard)), (0, 2));
        drop(slice);
        assert!(pool.idle_bytes() > 0);
        assert_eq!(Arc::strong_count(&guard), 1);
        let again = pool.take(0, 1000);
        assert!(again.capacity() > 0 && again.filled().is_empty());
        assert_eq!(pool.idle_bytes(), 0);
    }

    #[test]
    fn what_waits_is_bounded_in_number_and_in_bytes() {
        let pool = Pool::default();
        for _ in 0..20 {
            pool.put(vec![0; 1024]);
        }
        assert_eq!(pool.idle_bytes(), IDLE_BUFFERS_MAX * 1024);
        let pool = Pool::default();
        pool.put(vec![0; IDLE_BYTES_MAX]);
        pool.put(vec![0; 1]);
        assert_eq!(pool.idle_bytes(), IDLE_BYTES_MAX);
    }

    #[test]
    fn a_small_batch_is_not_put_into_a_huge_buffer() {
        let pool = Pool::default();
        pool.put(vec![0; 8 * 1024 * 1024]);
        assert_eq!(pool.take(100, usize::MAX - 1).capacity(), 0);
        assert_eq!(pool.take(1024 * 1024, usize::MAX - 1).capacity(), 8 * 1024 * 1024);
    }

    #[test]
    fn the_smallest_fitting_buffer_is_taken() {
        let pool = Pool::default();
        for size in [400_000, 100_000, 200_000] {
            pool.put(vec![0; size]);
        }
        assert_eq!(pool.take(150_000, 1 << 20).capacity(), 200_000);
        assert_eq!(pool.take(999_999, 1 << 20).capacity(), 400_000);
    }

    #[test]
    fn just_enough_is_told_from_too_much() {
        let mut output = Output::with_limit(100_000);
        output.write(&[1; 100_000]).unwrap();
        assert_eq!(output.room().len(), 1);
        assert_eq!(output.advance(1), Err(Fault::DecompressedTooLarge { limit: 100_000 }));
        for (length, result) in [(9, Ok(())), (10, Ok(())), (11, Err(())), (12, Err(()))] {
            let result = result.map_err(|()| Fault::DecompressedTooLarge { limit: 10 });
            assert_eq!(Output::with_limit(10).write(&[1; 12][..length]), result);
        }
    }

    #[test]
    fn growth_stops_at_the_limit() {
        let mut output = Output::with_limit(100_000);
        while output.advance(output.spare()).is_ok() {
            output.room();
        }
        assert!(output.capacity() <= 100_001, "{}", output.capacity());
    }
}
