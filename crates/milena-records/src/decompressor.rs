//! Decompression with everything that can be used again: contexts, tables, output buffers.

use std::fmt;

use crate::codec::Contexts;
use crate::pool::{Output, Pool};
use crate::{Compression, Fault};

/// What decoding needs beside the batch. One per task that decodes; it is cheap to make and dear to warm up.
///
/// ```
/// # use milena_records::Decompressor;
/// let decompressor = Decompressor::new().with_limit(8 * 1024 * 1024);
/// assert_eq!(decompressor.limit(), 8 * 1024 * 1024);
/// ```
pub struct Decompressor {
    contexts: Contexts,
    pool: Pool,
    limit: usize,
}

impl Decompressor {
    /// One with the [default limit](Self::DEFAULT_LIMIT).
    pub fn new() -> Self {
        Self { contexts: Contexts::default(), pool: Pool::default(), limit: Self::DEFAULT_LIMIT }
    }

    /// Another one with the same limit and on the same buffers, for another thread.
    pub fn sibling(&self) -> Self {
        Self { contexts: Contexts::default(), pool: self.pool.clone(), limit: self.limit }
    }

    /// Most bytes that one batch may decompress to.
    ///
    /// Default 64 MiB. A batch that holds more is refused with [`Fault::DecompressedTooLarge`] as soon as it gets there;
    /// sizes that compressed data claims are not believed. Brokers bound only the compressed size (`max.message.bytes`), and
    /// a megabyte can hold a terabyte.
    pub fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes.min(LIMIT_MAX);
        self
    }

    /// The limit, in bytes.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes of buffers that wait to be used again; at most 16 MiB. They are charged to nobody.
    pub fn idle_bytes(&self) -> usize {
        self.pool.idle_bytes()
    }

    /// Decompresses into a buffer of the pool; [`keep`](Self::keep) it or [`release`](Self::release) it.
    pub(crate) fn decompress(
        &mut self,
        codec: Compression,
        magic: i8,
        input: &[u8],
    ) -> Result<Output, Fault> {
        let mut output =
            self.pool.take(input.len().saturating_mul(EXPECTED_RATIO).min(self.limit), self.limit);
        match self.contexts.decompress(codec, magic, input, &mut output) {
            Ok(()) => Ok(output),
            Err(fault) => {
                self.pool.put(output.into_buffer());
                Err(fault)
            }
        }
    }

    pub(crate) fn keep<G: Send + 'static>(&self, output: Output, guard: G) -> bytes::Bytes {
        self.pool.share(output, guard)
    }

    pub(crate) fn release(&self, output: Output) {
        self.pool.put(output.into_buffer());
    }

    /// 64 MiB.
    pub const DEFAULT_LIMIT: usize = 64 * 1024 * 1024;
}

impl Default for Decompressor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// How much larger records usually get: the size of the buffer that is looked for, nothing more.
const EXPECTED_RATIO: usize = 4;
/// Offsets into a batch are kept in 32 bits.
const LIMIT_MAX: usize = i32::MAX as usize;
