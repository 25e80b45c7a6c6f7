//! InitProducerId (22): an identity for idempotent producing (KIP-98).

use std::ops::RangeInclusive;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as kp;

use crate::wire::writer::Draft;
use crate::wire::{ApiKey, Cursor, DecodeError, EncodeError, ErrorCode, Request, Response};

/// Asks for a producer id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InitProducerIdRequest {
    /// For a transaction.
    pub transactional_id: Option<String>,
    /// How long a transaction may stay open, in milliseconds.
    pub transaction_timeout_ms: i32,
    /// The id held so far, or -1 (version 3 on).
    pub producer_id: i64,
    /// Its epoch, or -1 (version 3 on).
    pub producer_epoch: i16,
}

/// A producer id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InitProducerIdResponse {
    /// Milliseconds this client should hold back (KIP-219).
    pub throttle_time_ms: i32,
    /// Its error, or NONE.
    pub error: ErrorCode,
    /// The id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
}

impl Request for InitProducerIdRequest {
    const API: ApiKey = ApiKey::INIT_PRODUCER_ID;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    type Response = InitProducerIdResponse;

    fn encode(&self, version: i16, out: &mut BytesMut) -> Result<(), EncodeError> {
        let draft = Draft::<Self>::new(version);
        // KIP-360: an older broker would hand out another id where an epoch bump was asked for.
        draft.since(3, self.producer_id != -1, "producer_id")?;
        draft.since(3, self.producer_epoch != -1, "producer_epoch")?;
        let message = kp::InitProducerIdRequest::default()
            .with_transactional_id(draft.nullable_text(self.transactional_id.as_deref()).map(Into::into))
            .with_transaction_timeout_ms(self.transaction_timeout_ms)
            .with_producer_id(self.producer_id.into())
            .with_producer_epoch(self.producer_epoch);
        draft.write(&message, out)
    }
}

impl Response for InitProducerIdResponse {
    fn decode(version: i16, body: Bytes) -> Result<Self, DecodeError> {
        let mut cursor = Cursor::answer::<InitProducerIdRequest>(version, body)?;
        let throttle_time_ms = cursor.i32("throttle_time_ms")?;
        let error = cursor.error_code()?;
        let producer_id = cursor.i64("producer_id")?;
        let producer_epoch = cursor.i16("producer_epoch")?;
        cursor.skip_tagged_fields()?;
        cursor.finish("InitProducerId response")?;
        Ok(Self { throttle_time_ms, error, producer_id, producer_epoch })
    }
}
