//! Every error code at every API.

use testkit::ErrorCode;

use crate::case::{Case, Lie};
use crate::table::{APIS, liar};

/// The last code that Kafka 4.3 knows, and two that nobody does.
const LAST: i16 = 133;
const UNKNOWN: [i16; 2] = [i16::MAX, i16::MIN];

pub(super) fn all() -> Vec<Case> {
    let codes = (-1..=LAST).filter(|code| *code != 0).chain(UNKNOWN);
    let codes: Vec<i16> = codes.collect();
    let mut cases = Vec::new();
    for api in APIS {
        for code in &codes {
            let lie = Lie::Code(ErrorCode(*code));
            let name = format!("{api:?}: error {code} {}", proto::wire::ErrorCode(*code).name());
            cases.push(Case { name, api, broker: liar(api), lie, must_tell: false });
        }
    }
    cases
}
