//! Why answers differ on purpose. The same reasons are in the table of ARCHITECTURE.md.

/// Messages that print values or errors of the server's own language.
pub const GO_TEXT: &str = "the text of a Go decoder or printer; code, reason and field are the same";
/// ResourceQuotas hold from their spec, and what is used is summed up from the Pods.
pub const NO_QUOTA_STATUS: &str =
    "what a quota holds is summed up from the Pods at once, and its status is not written";
/// A JSON key that is there twice is no reason for a warning.
pub const NO_DUPLICATES: &str = "JSON is read by a parser that does not tell of keys that are there twice";
