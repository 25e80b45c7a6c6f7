//! The named ways in which other clients' decoders have died (hostile bytes), on the cursor alone.

use super::*;

const MIB: usize = 1 << 20;

fn fixed(bytes: &[u8]) -> Cursor {
    Cursor::new(Bytes::copy_from_slice(bytes), false)
}

fn flexible(bytes: &[u8]) -> Cursor {
    Cursor::new(Bytes::copy_from_slice(bytes), true)
}

#[test]
fn numbers_are_read_big_endian_and_to_the_last_byte() {
    let mut cursor = fixed(&[0xff, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 1, 7]);
    assert_eq!(cursor.i8("a"), Ok(-1));
    assert_eq!(cursor.i16("b"), Ok(2));
    assert_eq!(cursor.i32("c"), Ok(3));
    assert_eq!(cursor.i64("d"), Ok(4));
    assert_eq!(cursor.bool("e"), Ok(true));
    assert_eq!(cursor.clone().finish("all"), Err(DecodeError::TrailingBytes { what: "all", have: 1 }));
    assert_eq!(cursor.i16("f"), Err(DecodeError::Truncated { what: "f", need: 2, have: 1 }));
    // A failed read takes nothing.
    assert_eq!(cursor.rest(), Bytes::from_static(&[7]));
}

#[test]
fn varints_end_at_five_bytes_and_32_bits() {
    let read = |bytes: &[u8]| flexible(bytes).unsigned_varint("v");
    assert_eq!(read(&[0]), Ok(0));
    assert_eq!(read(&[0xac, 0x02]), Ok(300));
    assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f]), Ok(u32::MAX));
    // Overlong, but Java takes it.
    assert_eq!(read(&[0x81, 0x80, 0]), Ok(1));
    assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x1f]), Err(DecodeError::Varint { what: "v" }));
    assert_eq!(read(&[0x80; 6]), Err(DecodeError::Varint { what: "v" }));
    assert_eq!(read(&[0x80]), Err(DecodeError::Truncated { what: "v", need: 1, have: 0 }));
}

#[test]
fn text_is_read_in_both_forms() {
    assert_eq!(fixed(&[0, 2, b'h', b'i']).string("s"), Ok("hi".to_owned()));
    assert_eq!(flexible(&[3, b'h', b'i']).string("s"), Ok("hi".to_owned()));
    assert_eq!(fixed(&[0xff, 0xff]).nullable_string("s"), Ok(None));
    assert_eq!(flexible(&[0]).nullable_string("s"), Ok(None));
    assert_eq!(flexible(&[1]).nullable_string("s"), Ok(Some(String::new())));
    assert_eq!(fixed(&[0, 1, 0xff]).string("s"), Err(DecodeError::NotUtf8 { what: "s" }));
    assert_eq!(fixed(&[0, 2, b'h']).string("s"), Err(DecodeError::Truncated { what: "s", need: 2, have: 1 }));
    assert_eq!(flexible(&[0]).string("s"), Err(DecodeError::NullNotAllowed { what: "s" }));
    assert_eq!(fixed(&[0xff, 0xfe]).string("s"), Err(DecodeError::NegativeLength { what: "s", len: -2 }));
}

#[test]
fn bytes_are_a_slice_of_the_input() {
    let input = Bytes::from_static(&[0, 0, 0, 3, 1, 2, 3, 9]);
    let bytes = Cursor::new(input.clone(), false).bytes("b").unwrap();
    assert_eq!(bytes.as_ptr(), input[4..].as_ptr());
    assert_eq!(bytes.as_ref(), [1, 2, 3]);
}

#[test]
fn bytes_with_a_negative_length_are_refused() {
    let min = i32::MIN.to_be_bytes();
    assert_eq!(fixed(&min).bytes("b"), Err(DecodeError::NegativeLength { what: "b", len: i32::MIN }));
    assert_eq!(fixed(&[0xff; 4]).bytes("b"), Err(DecodeError::NullNotAllowed { what: "b" }));
    assert_eq!(fixed(&[0xff; 4]).nullable_bytes("b"), Ok(None));
}

/// librdkafka#5577: a compact array of -1 elements, where none may be.
#[test]
fn a_null_list_is_refused_where_there_may_be_none() {
    let read = |mut cursor: Cursor| cursor.array("list", 1, |cursor| cursor.i8("element"));
    assert_eq!(read(flexible(&[0])), Err(DecodeError::NullNotAllowed { what: "list" }));
    assert_eq!(read(fixed(&[0xff; 4])), Err(DecodeError::NullNotAllowed { what: "list" }));
    assert_eq!(flexible(&[0]).nullable_array("list", 1, |cursor| cursor.i8("element")), Ok(None));
}

/// kafka-protocol-rs #152 and kafka-go #1439: eight bytes that ask for gigabytes. No element is ever read, and nothing
/// reserved, because the count is refused first.
#[test]
fn a_count_without_room_is_refused_before_anything_is_reserved() {
    for (count, flexible_form) in [(i32::MAX, false), (i32::MAX, true), (5, false)] {
        let mut bytes =
            if flexible_form { vec![0x80, 0x80, 0x80, 0x80, 0x08] } else { count.to_be_bytes().to_vec() };
        bytes.extend([0; 4]);
        let mut cursor = Cursor::new(bytes.into(), flexible_form);
        let before = cursor.allowance;
        let result = cursor.array("list", 1, |_| -> Result<[u64; 16], _> { panic!("read an element") });
        let count = usize::try_from(count).unwrap();
        assert_eq!(result, Err(DecodeError::CountTooLarge { what: "list", count, min_size: 1, have: 4 }));
        assert_eq!(cursor.allowance, before);
    }
}

#[test]
fn a_negative_count_is_refused() {
    let result = fixed(&[0x80, 0, 0, 0]).array("list", 1, |cursor| cursor.i8("element"));
    assert_eq!(result, Err(DecodeError::NegativeLength { what: "list", len: i32::MIN }));
}

/// A count times a size must not wrap around to something small.
#[test]
fn a_count_whose_product_overflows_is_refused() {
    let mut bytes = i32::MAX.to_be_bytes().to_vec();
    bytes.extend([0; 100]);
    let mut cursor = Cursor::new(bytes.into(), false);
    let result = cursor.array("list", usize::MAX / 4, |cursor| cursor.i8("element"));
    assert!(matches!(result, Err(DecodeError::CountTooLarge { .. })), "{result:?}");
}

/// KAFKA-14063: a small message, a huge collection of tiny elements that are all there.
#[test]
fn elements_far_larger_in_memory_than_on_the_wire_are_bounded() {
    let read = |count: usize| {
        let mut bytes = i32::try_from(count).unwrap().to_be_bytes().to_vec();
        bytes.extend(vec![0; count]);
        Cursor::new(bytes.into(), false).array("list", 1, |cursor| cursor.i8("element").map(|_| [0_u64; 8]))
    };
    // 64 bytes a byte: allowed for a megabyte and a bit, ...
    let allowed = 18_000;
    assert_eq!(read(allowed).unwrap().capacity(), allowed);
    // ... not for 64.
    assert_eq!(read(MIB), Err(DecodeError::Bloated { what: "list", count: MIB }));
}

#[test]
fn lists_of_lists_share_one_allowance() {
    // A list of 64 Ki empty lists with one level each: 24 bytes of memory for a byte.
    let count: u32 = 256 * 1024;
    let mut bytes = vec![];
    let mut rest = count + 1;
    while rest > 0x7f {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes.extend(vec![1_u8; count as usize]);
    let mut cursor = Cursor::new(bytes.into(), true);
    let result = cursor.array("outer", 1, |cursor| cursor.array("inner", 1, |cursor| cursor.i8("element")));
    assert_eq!(result, Err(DecodeError::Bloated { what: "outer", count: count as usize }));
}

#[test]
fn unknown_tags_are_skipped_by_their_size() {
    let mut cursor = flexible(&[2, 0, 1, 0xaa, 9, 2, 0xbb, 0xcc, 7]);
    cursor.skip_tagged_fields().unwrap();
    assert_eq!(cursor.rest().as_ref(), [7]);
}

#[test]
fn known_tags_are_read_and_must_end_where_they_say() {
    let read = |bytes: &[u8]| {
        let mut cursor = flexible(bytes);
        let mut value = None;
        cursor.tagged_fields(|tag, cursor| {
            if tag == 3 {
                value = Some(cursor.i16("value")?);
            }
            Ok(tag == 3)
        })?;
        cursor.finish("message").map(|()| value)
    };
    assert_eq!(read(&[2, 1, 0, 3, 2, 0, 5]), Ok(Some(5)));
    assert_eq!(read(&[1, 3, 3, 0, 5, 6]), Err(DecodeError::TrailingBytes { what: "tagged field", have: 1 }));
    // The next field's bytes are not this one's.
    assert_eq!(
        read(&[2, 3, 1, 0, 5, 6, 1, 1]),
        Err(DecodeError::Truncated { what: "value", need: 2, have: 1 })
    );
}

/// librdkafka#4278: skipping a tag larger than what is left wrapped around.
#[test]
fn a_tag_larger_than_the_message_is_refused() {
    let size_max = [1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let result = flexible(&size_max).skip_tagged_fields();
    let need = u32::MAX as usize;
    assert_eq!(result, Err(DecodeError::Truncated { what: "tagged field", need, have: 0 }));
    let one_too_many = [1, 0, 3, 1, 2];
    let result = flexible(&one_too_many).skip_tagged_fields();
    assert_eq!(result, Err(DecodeError::Truncated { what: "tagged field", need: 3, have: 2 }));
}

#[test]
fn more_tags_than_bytes_are_refused_at_once() {
    let count_max = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
    let result = flexible(&count_max).skip_tagged_fields();
    let count = u32::MAX as usize;
    assert_eq!(
        result,
        Err(DecodeError::CountTooLarge { what: "tagged fields", count, min_size: 2, have: 2 })
    );
}

#[test]
fn tags_out_of_order_and_twice_are_refused() {
    assert_eq!(flexible(&[2, 1, 0, 1, 0]).skip_tagged_fields(), Err(DecodeError::TagOrder { tag: 1 }));
    assert_eq!(flexible(&[2, 1, 0, 0, 0]).skip_tagged_fields(), Err(DecodeError::TagOrder { tag: 0 }));
}

#[test]
fn the_fixed_form_has_no_tags() {
    let mut cursor = fixed(&[1, 2, 3]);
    cursor.skip_tagged_fields().unwrap();
    assert_eq!(cursor.remaining(), 3);
}

#[test]
fn duplicates_are_found_wherever_they_are() {
    let duplicate = Err(DecodeError::Duplicate { what: "key" });
    assert_eq!(refuse_duplicates("key", [3, 1, 2].into_iter()), Ok(()));
    assert_eq!(refuse_duplicates("key", [3, 1, 2, 3].into_iter()), duplicate);
    assert_eq!(refuse_duplicates("key", std::iter::empty::<i32>()), Ok(()));
}
