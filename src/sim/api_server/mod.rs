//! (in preparation)

pub mod rules;
