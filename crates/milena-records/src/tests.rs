//! Behaviour across modules: what is built is read back, and what is broken is refused.

mod round_trip;
