//! What requests are written with.
//!
//! Most go through `kafka-protocol`'s types. [`Writer`] is for the versions that crate does not know yet.

use std::cell::Cell;
use std::marker::PhantomData;

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::TopicName as NameOnWire;
use kafka_protocol::protocol::{Encodable, StrBytes};
use uuid::Uuid;

use crate::types::TopicId;
use crate::wire::{EncodeError, Request};

/// Longest text that brokers take, in bytes. Compact lengths could say more, and `kafka-protocol` lets them.
const TEXT_BYTES_MAX: usize = i16::MAX as usize;

/// An `R` on its way to `kafka-protocol`'s type of it, in one version.
///
/// Text that is too long is remembered until the end, so that the way there is one expression.
pub(super) struct Draft<R> {
    pub(super) version: i16,
    too_long: Cell<bool>,
    request: PhantomData<R>,
}

impl<R: Request> Draft<R> {
    pub(super) fn new(version: i16) -> Self {
        Self { version, too_long: Cell::new(false), request: PhantomData }
    }

    /// Refuses a field that is set, though the version is older than the first that carries it.
    pub(super) fn since(&self, first: i16, set: bool, field: &'static str) -> Result<(), EncodeError> {
        if set && self.version < first {
            return Err(EncodeError::Field { api: R::API, version: self.version, field });
        }
        Ok(())
    }

    pub(super) fn text(&self, text: &str) -> StrBytes {
        if text.len() > TEXT_BYTES_MAX {
            self.too_long.set(true);
        }
        StrBytes::from_string(text.to_owned())
    }

    pub(super) fn nullable_text(&self, text: Option<&str>) -> Option<StrBytes> {
        text.map(|text| self.text(text))
    }

    /// How the version names a topic: by name or by id. The other of the two stays empty.
    pub(super) fn topic_key(
        &self,
        by_id: bool,
        name: &str,
        id: TopicId,
    ) -> Result<(NameOnWire, Uuid), EncodeError> {
        let missing = |field| EncodeError::Missing { api: R::API, version: self.version, field };
        match by_id {
            true if id.is_zero() => Err(missing("topic_id")),
            true => Ok((NameOnWire::default(), Uuid::from_bytes(id.0))),
            false if name.is_empty() => Err(missing("topic")),
            false => Ok((NameOnWire(self.text(name)), Uuid::nil())),
        }
    }

    /// Appends the body.
    pub(super) fn write(self, message: &impl Encodable, out: &mut BytesMut) -> Result<(), EncodeError> {
        let version = self.version;
        self.write_as(version, message, out)
    }

    /// Appends the body in the form of another version.
    pub(super) fn write_as(
        self,
        version: i16,
        message: &impl Encodable,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        // What a version cannot carry has been refused or left out before; lengths are all that is left to refuse.
        let too_long = EncodeError::TooLong { api: R::API, version: self.version };
        if self.too_long.get() {
            return Err(too_long);
        }
        message.encode(out, version).map_err(|_| too_long)
    }
}

/// Writes the flexible form (KIP-482) by hand.
pub(super) struct Writer<'a> {
    out: &'a mut BytesMut,
    too_long: EncodeError,
    no_topic_id: EncodeError,
}

impl<'a> Writer<'a> {
    pub(super) fn new<R: Request>(version: i16, out: &'a mut BytesMut) -> Self {
        let too_long = EncodeError::TooLong { api: R::API, version };
        let no_topic_id = EncodeError::Missing { api: R::API, version, field: "topic_id" };
        Self { out, too_long, no_topic_id }
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

    pub(super) fn topic_id(&mut self, id: TopicId) -> Result<(), EncodeError> {
        if id.is_zero() {
            return Err(self.no_topic_id);
        }
        self.out.put_slice(&id.0);
        Ok(())
    }

    pub(super) fn string(&mut self, text: &str) -> Result<(), EncodeError> {
        if text.len() > TEXT_BYTES_MAX {
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
