//! The commit gate's tests: scripts against a naive coordinator, and a model.

mod answers;
mod gate;
mod gate_domain;
mod hand_over;
mod model;
mod requests;
mod script;
mod tracker;
