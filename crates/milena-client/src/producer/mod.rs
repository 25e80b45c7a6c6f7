//! Placeholder until the producer lands.
