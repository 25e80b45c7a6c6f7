//! `milena verifiable-consumer` and `milena verifiable-producer`: what Apache Kafka's system tests (`tests/kafkatest`) drive
//! and watch in place of Java's classes of these names. Events are lines of JSON on standard output, with the names, fields
//! and order of Java's; everything else is said on standard error.

mod consumer;
mod producer;
mod teller;

pub(crate) use consumer::run as consume;
pub(crate) use producer::run as produce;
