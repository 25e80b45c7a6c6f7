//! Changes to a batch of magic 2 that is already built: what a broker writes into it on append, and what a producer
//! re-stamps before a retry. Nothing is decompressed.

use super::ProducerState;
use super::batch::put;
use crate::header::{BATCH_OVERHEAD, CRC_FROM_V2, LOG_APPEND_TIME, MAGIC_AT, Peek};
use crate::{BatchHeader, DecodeError, Fault};

/// Gives the batch its place in a partition. These fields lie outside of the CRC, so that a broker can.
///
/// # Errors
/// If `batch` is not exactly one batch of magic 2.
pub fn place(batch: &mut [u8], base_offset: i64, leader_epoch: i32) -> Result<(), DecodeError> {
    check(batch)?;
    put(batch, 0, base_offset.to_be_bytes());
    put(batch, 12, leader_epoch.to_be_bytes());
    Ok(())
}

/// Stamps the batch with the broker's time, in milliseconds since 1970 (`message.timestamp.type=LogAppendTime`).
///
/// # Errors
/// If `batch` is not exactly one batch of magic 2.
pub fn set_log_append_time(batch: &mut [u8], timestamp: i64) -> Result<(), DecodeError> {
    let header = check(batch)?;
    put(batch, 21, (header.attributes | LOG_APPEND_TIME).to_be_bytes());
    put(batch, 35, timestamp.to_be_bytes());
    seal(batch);
    Ok(())
}

/// Gives the batch another producer: a bumped epoch starts its sequence numbers anew (KIP-360).
///
/// # Errors
/// If `batch` is not exactly one batch of magic 2.
pub fn set_producer(batch: &mut [u8], producer: ProducerState) -> Result<(), DecodeError> {
    check(batch)?;
    put(batch, 43, producer.producer_id.to_be_bytes());
    put(batch, 51, producer.producer_epoch.to_be_bytes());
    put(batch, 53, producer.base_sequence.to_be_bytes());
    seal(batch);
    Ok(())
}

/// Recomputes the CRC, for tests that lie in a header and want to be believed.
///
/// # Panics
/// If `batch` is shorter than a header.
#[doc(hidden)]
pub fn seal(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[CRC_FROM_V2..]);
    put(batch, 17, crc.to_be_bytes());
}

fn check(batch: &[u8]) -> Result<BatchHeader, DecodeError> {
    let at = crate::batch::base_offset_of(batch);
    match BatchHeader::peek(batch).map_err(|fault| fault.at(at))? {
        Peek::Whole(header) if header.magic == 2 && header.size_in_bytes == batch.len() => Ok(header),
        Peek::Whole(header) if header.magic != 2 => {
            Err(Fault::UnsupportedMagic { magic: header.magic }.at(at))
        }
        Peek::Whole(header) => {
            Err(Fault::RecordsLeft { count: 1, bytes: batch.len() - header.size_in_bytes }.at(at))
        }
        Peek::Partial { need } => {
            let need = need.unwrap_or(BATCH_OVERHEAD.max(MAGIC_AT));
            Err(Fault::Truncated { what: "batch", need, have: batch.len() }.at(at))
        }
    }
}
