//! What requests are written with.
//!
//! Most go through `kafka-protocol`'s types. [`Writer`] is for the versions that crate does not know yet.

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::TopicName as NameOnWire;
use kafka_protocol::protocol::{Encodable, StrBytes};
use uuid::Uuid;

use crate::types::TopicId;
use crate::wire::{EncodeError, Request};

/// Appends the body of an `R`.
pub(super) fn write<R: Request>(
    message: &impl Encodable,
    version: i16,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    // Whatever a version cannot carry has been refused or left out before; what is left is fields beyond 32767 bytes.
    message.encode(out, version).map_err(|_| EncodeError::TooLong { api: R::API, version })
}

/// Refuses a field that is set, though `version` is older than the first that carries it.
pub(super) fn since<R: Request>(
    first: i16,
    version: i16,
    set: bool,
    field: &'static str,
) -> Result<(), EncodeError> {
    if set && version < first { Err(EncodeError::Field { api: R::API, version, field }) } else { Ok(()) }
}

/// How a version names a topic: by name, or from some version on by id. The other of the two stays empty.
pub(super) fn topic_key<R: Request>(
    by_id: bool,
    version: i16,
    name: &str,
    id: TopicId,
) -> Result<(NameOnWire, Uuid), EncodeError> {
    let missing = |field| EncodeError::Missing { api: R::API, version, field };
    match by_id {
        true if id.is_zero() => Err(missing("topic_id")),
        true => Ok((NameOnWire::default(), Uuid::from_bytes(id.0))),
        false if name.is_empty() => Err(missing("topic")),
        false => Ok((NameOnWire(text(name)), Uuid::nil())),
    }
}

/// Text as `kafka-protocol` takes it.
pub(super) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Text that may be null, as `kafka-protocol` takes it.
pub(super) fn nullable_text(value: Option<&str>) -> Option<StrBytes> {
    value.map(text)
}

/// Writes the flexible form (KIP-482) by hand.
pub(super) struct Writer<'a> {
    out: &'a mut BytesMut,
    too_long: EncodeError,
}

impl<'a> Writer<'a> {
    pub(super) fn new<R: Request>(version: i16, out: &'a mut BytesMut) -> Self {
        Self { out, too_long: EncodeError::TooLong { api: R::API, version } }
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.out.put_u8(u8::from(value));
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.out.put_i32(value);
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.out.put_i64(value);
    }

    pub(super) fn topic_id(&mut self, id: TopicId) {
        self.out.put_slice(&id.0);
    }

    pub(super) fn string(&mut self, text: &str) -> Result<(), EncodeError> {
        // Compact lengths could say more; brokers refuse text beyond what an INT16 can.
        if text.len() > i16::MAX as usize {
            return Err(self.too_long);
        }
        self.len(text.len())?;
        self.out.put_slice(text.as_bytes());
        Ok(())
    }

    pub(super) fn nullable_string(&mut self, text: Option<&str>) -> Result<(), EncodeError> {
        match text {
            Some(text) => self.string(text),
            None => {
                self.null();
                Ok(())
            }
        }
    }

    /// Starts a list of `count` elements.
    pub(super) fn len(&mut self, count: usize) -> Result<(), EncodeError> {
        let count = i32::try_from(count).map_err(|_| self.too_long)?;
        self.unsigned_varint(count.unsigned_abs() + 1);
        Ok(())
    }

    /// Instead of text or a list.
    pub(super) fn null(&mut self) {
        self.unsigned_varint(0);
    }

    /// Ends a struct.
    pub(super) fn no_tagged_fields(&mut self) {
        self.unsigned_varint(0);
    }

    fn unsigned_varint(&mut self, mut value: u32) {
        while value > 0x7f {
            self.out.put_u8((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.put_u8(value as u8);
    }
}
