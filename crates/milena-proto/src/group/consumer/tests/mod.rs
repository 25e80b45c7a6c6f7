//! Scripts: each reads like the talk between a member and its coordinator.
