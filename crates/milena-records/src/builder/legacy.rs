//! Messages and message sets of magic 0 and 1. Nobody produces them any more; tests and the cluster they run against do.

use bytes::Bytes;

use super::batch::put;
use super::{Compressor, NewRecord};
use crate::crc::crc32;
use crate::header::{CRC_FROM_LEGACY, LOG_APPEND_TIME, LOG_OVERHEAD};
use crate::{BuildError, Compression};

/// Collects messages of magic 0 or 1.
///
/// Without compression each becomes a message of its own; with it, one wrapper message holds them all, with absolute inner
/// offsets in magic 0 and relative ones in magic 1 (KIP-31).
#[derive(Debug, Clone)]
pub struct LegacyBuilder {
    magic: i8,
    compression: Compression,
    base_offset: i64,
    log_append_time: Option<i64>,
    messages: Vec<Message>,
}

#[derive(Debug, Clone)]
struct Message {
    offset_delta: i64,
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

impl LegacyBuilder {
    /// Messages without timestamps, as clients before 0.10 wrote them.
    pub fn magic0(compression: Compression) -> Self {
        Self::new(0, compression)
    }

    /// Messages with timestamps, as clients of 0.10 wrote them.
    pub fn magic1(compression: Compression) -> Self {
        Self::new(1, compression)
    }

    fn new(magic: i8, compression: Compression) -> Self {
        Self { magic, compression, base_offset: 0, log_append_time: None, messages: Vec::new() }
    }

    /// The offset of the first message.
    pub fn base_offset(&mut self, offset: i64) -> &mut Self {
        self.base_offset = offset;
        self
    }

    /// Stamps the messages with the broker's time, in milliseconds since 1970. In a compressed set only the wrapper gets
    /// it, as on a broker. Magic 0 has no place for it.
    pub fn log_append_time(&mut self, timestamp: i64) -> &mut Self {
        self.log_append_time = Some(timestamp);
        self
    }

    /// Appends a message at the next offset. The format has no headers: those of the record are left out.
    pub fn push(&mut self, record: &NewRecord<'_>) -> &mut Self {
        let delta = self.messages.last().map_or(0, |message| message.offset_delta + 1);
        self.push_at(delta, record)
    }

    /// Appends a message at an offset relative to the first, leaving a gap as compaction does.
    pub fn push_at(&mut self, offset_delta: i64, record: &NewRecord<'_>) -> &mut Self {
        self.messages.push(Message {
            offset_delta,
            timestamp: record.timestamp,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
        });
        self
    }

    /// The messages, one after the other, or the wrapper around them.
    ///
    /// # Errors
    /// If the codec is not available (zstd never is), or something exceeds 2 GiB.
    pub fn build(&self, compressor: &mut Compressor) -> Result<Bytes, BuildError> {
        let mut out = Vec::new();
        if self.compression == Compression::None {
            let attributes = self.timestamp_bits();
            for message in &self.messages {
                let timestamp = self.log_append_time.unwrap_or(message.timestamp);
                self.write(
                    &mut out,
                    self.base_offset + message.offset_delta,
                    attributes,
                    timestamp,
                    message,
                )?;
            }
            return Ok(out.into());
        }
        if self.compression == Compression::Zstd {
            let reason = "zstd came with magic 2";
            return Err(BuildError::UnsupportedCodec { codec: self.compression, reason });
        }
        let mut set = Vec::new();
        let inner_base = if self.magic == 0 { self.base_offset } else { 0 };
        for message in &self.messages {
            self.write(&mut set, inner_base + message.offset_delta, 0, message.timestamp, message)?;
        }
        let mut value = Vec::new();
        compressor.compress(self.compression, self.magic, &set, &mut value)?;
        let last_delta = self.messages.last().map_or(0, |message| message.offset_delta);
        let newest = self.messages.iter().map(|message| message.timestamp).max().unwrap_or(-1);
        let timestamp = self.log_append_time.unwrap_or(newest);
        let attributes = self.compression.id() | self.timestamp_bits();
        let wrapper = Message { offset_delta: last_delta, timestamp, key: None, value: Some(value) };
        self.write(&mut out, self.base_offset + last_delta, attributes, timestamp, &wrapper)?;
        Ok(out.into())
    }

    fn timestamp_bits(&self) -> u8 {
        if self.magic == 1 && self.log_append_time.is_some() { LOG_APPEND_TIME as u8 } else { 0 }
    }

    fn write(
        &self,
        out: &mut Vec<u8>,
        offset: i64,
        attributes: u8,
        timestamp: i64,
        message: &Message,
    ) -> Result<(), BuildError> {
        let at = out.len();
        out.extend_from_slice(&offset.to_be_bytes());
        out.extend_from_slice(&[0; 8]);
        out.extend_from_slice(&[self.magic as u8, attributes]);
        if self.magic == 1 {
            out.extend_from_slice(&timestamp.to_be_bytes());
        }
        for field in [&message.key, &message.value] {
            let length = field.as_ref().map_or(Ok(-1), |field| i32::try_from(field.len()));
            out.extend_from_slice(&length.map_err(|_| BuildError::TooLarge)?.to_be_bytes());
            out.extend_from_slice(field.as_deref().unwrap_or_default());
        }
        let written = &mut out[at..];
        let size = i32::try_from(written.len() - LOG_OVERHEAD).map_err(|_| BuildError::TooLarge)?;
        put(written, 8, size.to_be_bytes());
        let crc = crc32(&written[CRC_FROM_LEGACY..]);
        put(written, 12, crc.to_be_bytes());
        Ok(())
    }
}
