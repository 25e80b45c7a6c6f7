//! Whole-system tests: real Apache Kafka, other people's clients, a tracing proxy.

pub mod fixture;
