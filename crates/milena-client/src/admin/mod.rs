//! Placeholder until the administration lands.
