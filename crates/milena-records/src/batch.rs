//! One batch: its header and its bytes, nothing decompressed, nothing checked but the header.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::crc::crc32;
use crate::header::{CRC_FROM_LEGACY, CRC_FROM_V2, Peek};
use crate::{BatchHeader, DecodeError, DecodedBatch, Decompressor, Fault};

/// One record batch (magic 2) or message (magic 0 and 1), as a slice of the buffer it came in.
///
/// Everything the header says is there by dereferencing to [`BatchHeader`]. Nothing else has been looked at:
/// [`decode`](Self::decode) checks the CRC and decompresses.
#[derive(Clone)]
pub struct Batch {
    header: BatchHeader,
    bytes: Bytes,
}

impl Batch {
    /// Reads the header of the batch that `bytes` consists of.
    ///
    /// # Errors
    /// If the header is malformed, or `bytes` is anything but one whole batch.
    pub fn parse(bytes: Bytes) -> Result<Self, DecodeError> {
        let base_offset = base_offset_of(&bytes);
        match BatchHeader::peek(&bytes).map_err(|fault| fault.at(base_offset))? {
            Peek::Whole(header) if header.size_in_bytes == bytes.len() => Ok(Self { header, bytes }),
            Peek::Whole(header) => {
                let left = bytes.len() - header.size_in_bytes;
                Err(Fault::RecordsLeft { count: 1, bytes: left }.at(base_offset))
            }
            Peek::Partial { need } => {
                let need = need.unwrap_or(crate::header::LOG_OVERHEAD);
                Err(Fault::Truncated { what: "batch", need, have: bytes.len() }.at(base_offset))
            }
        }
    }

    /// `bytes` has to be exactly the batch `header` was read from.
    pub(crate) fn new(header: BatchHeader, bytes: Bytes) -> Self {
        debug_assert_eq!(header.size_in_bytes, bytes.len());
        Self { header, bytes }
    }

    /// The parsed header.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch as it was received.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Compares the checksum with the bytes: CRC-32C in magic 2, CRC-32 before.
    ///
    /// [`decode`](Self::decode) does this too, once per batch, and cannot be talked out of it.
    ///
    /// # Errors
    /// [`Fault::CrcMismatch`].
    pub fn verify_crc(&self) -> Result<(), DecodeError> {
        let computed = match self.header.magic {
            2 => crc32c::crc32c(&self.bytes[CRC_FROM_V2..]),
            _ => crc32(&self.bytes[CRC_FROM_LEGACY..]),
        };
        let stored = self.header.crc;
        if computed == stored { Ok(()) } else { Err(self.fault(Fault::CrcMismatch { stored, computed })) }
    }

    /// Checks the CRC and decompresses, so that the records can be walked.
    ///
    /// An uncompressed batch stays where it is and costs no memory.
    ///
    /// # Errors
    /// If the checksum, the compressed bytes or the counts are wrong, or the limit of `decompressor` is reached. Faults
    /// of single records come up while walking them.
    pub fn decode(&self, decompressor: &mut Decompressor) -> Result<DecodedBatch, DecodeError> {
        self.decode_with(decompressor, |_| ())
    }

    /// Like [`decode`](Self::decode), and lets the caller account for the memory.
    ///
    /// If decompression took a buffer, `charge` is called once with its size in bytes. What it returns (a credit of a
    /// byte budget, say) is kept beside the buffer and dropped when the last record or slice of it is.
    ///
    /// # Errors
    /// As for [`decode`](Self::decode); `charge` is not called then.
    pub fn decode_with<G: Send + 'static>(
        &self,
        decompressor: &mut Decompressor,
        charge: impl FnOnce(usize) -> G,
    ) -> Result<DecodedBatch, DecodeError> {
        self.verify_crc()?;
        DecodedBatch::decode(self, decompressor, charge).map_err(|fault| self.fault(fault))
    }

    pub(crate) fn fault(&self, fault: Fault) -> DecodeError {
        fault.at(self.header.base_offset)
    }
}

impl Deref for Batch {
    type Target = BatchHeader;

    fn deref(&self) -> &BatchHeader {
        &self.header
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header.fmt(f)
    }
}

/// The first field of every format; -1 where there is not even that.
pub(crate) fn base_offset_of(bytes: &[u8]) -> i64 {
    bytes.first_chunk().map_or(-1, |field| i64::from_be_bytes(*field))
}
