//! Logs of Tailor itself. Metrics come to stand here.

pub mod logs;
