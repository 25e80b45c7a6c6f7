//! A record that is about to be written.

use crate::Header;
use crate::varint;

/// A record that is about to be written, borrowed from wherever it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct NewRecord<'a> {
    pub(super) timestamp: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: &'a [Header<'a>],
}

impl<'a> NewRecord<'a> {
    /// A record with null key, null value and no headers. `timestamp` is in milliseconds since 1970.
    pub fn new(timestamp: i64) -> Self {
        Self { timestamp, ..Self::default() }
    }

    /// With this key; [`maybe_key`](Self::maybe_key) takes an option.
    pub fn key(self, key: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { key: Some(key.as_ref()), ..self }
    }

    /// With this value; [`maybe_value`](Self::maybe_value) takes an option.
    pub fn value(self, value: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self { value: Some(value.as_ref()), ..self }
    }

    /// With this key or none.
    pub fn maybe_key(self, key: Option<&'a [u8]>) -> Self {
        Self { key, ..self }
    }

    /// With this value or none.
    pub fn maybe_value(self, value: Option<&'a [u8]>) -> Self {
        Self { value, ..self }
    }

    /// With these headers, in this order.
    pub fn headers(self, headers: &'a [Header<'a>]) -> Self {
        Self { headers, ..self }
    }

    /// Bytes of the record in a batch of magic 2, at most: the exact number depends on what is in the batch already.
    pub fn size_max(&self) -> usize {
        let body = self.body_size(i64::MIN, i32::MAX);
        body + varint::MAX_BYTES_I32
    }

    /// Bytes after the length field.
    pub(super) fn body_size(&self, timestamp_delta: i64, offset_delta: i32) -> usize {
        let headers = self.headers.iter().map(|header| {
            nullable_size(Some(header.key_bytes())).saturating_add(nullable_size(header.value()))
        });
        1 + varint::size_i64(timestamp_delta)
            + varint::size_i32(offset_delta)
            + nullable_size(self.key)
            + nullable_size(self.value)
            + varint::size_i32(i32::try_from(self.headers.len()).unwrap_or(i32::MAX))
            + headers.sum::<usize>()
    }

    /// Appends the record. The caller has made sure that its body fits into 31 bits.
    pub(super) fn write(&self, out: &mut Vec<u8>, body_size: usize, timestamp_delta: i64, offset_delta: i32) {
        varint::write_i32(out, body_size as i32);
        out.push(0);
        varint::write_i64(out, timestamp_delta);
        varint::write_i32(out, offset_delta);
        write_nullable(out, self.key);
        write_nullable(out, self.value);
        varint::write_i32(out, self.headers.len() as i32);
        for header in self.headers {
            write_nullable(out, Some(header.key_bytes()));
            write_nullable(out, header.value());
        }
    }
}

fn nullable_size(bytes: Option<&[u8]>) -> usize {
    let length = bytes.map_or(0, <[u8]>::len);
    let field = bytes.map_or(1, |bytes| varint::size_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX)));
    field + length
}

fn write_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::write_i32(out, bytes.map_or(-1, |bytes| bytes.len() as i32));
    out.extend_from_slice(bytes.unwrap_or_default());
}
