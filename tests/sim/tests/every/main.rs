//! Every byte, and every poll: what must not cost anything, wherever it happens.

mod bytes;
mod cases;
mod polls;
mod scan;
mod stage;
mod wire;
