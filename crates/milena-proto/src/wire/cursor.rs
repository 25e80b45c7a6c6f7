//! The bounded cursor that every response is read through.
