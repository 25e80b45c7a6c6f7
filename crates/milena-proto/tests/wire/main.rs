//! The codec against a second opinion: what `kafka-protocol` writes must read the same here, and the other way round, in
//! every version of every API; and what nobody should write must be refused without a panic.

mod answers;
mod any;
mod error_codes;
mod frames;
mod golden;
mod hostile;
mod requests;
mod requests_by_id;
