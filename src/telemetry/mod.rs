//! What Tailor tells of itself: [`logs`], [`metrics`], and its [`health`], the last two over [`http`].

pub mod health;
pub mod http;
pub mod logs;
pub mod metrics;
