//! What can be wrong with a scenario, said before anything runs.

use std::io;

use thiserror::Error;

use super::Place;
use crate::usage::trace;

/// Why a scenario cannot be run: every variant is for the user to cure.
#[derive(Debug, Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read scenario {file}; check that it exists, may be read, and is text in UTF-8")]
    Unreadable {
        /// The file.
        file: String,
        /// What went wrong.
        source: io::Error,
    },
    /// A trace stands where a scenario should.
    #[error("{file} is a trace and no scenario; run it with `tailor simulate --trace {file}`")]
    IsTrace {
        /// The file.
        file: String,
    },
    /// A document is not YAML, or a field of the `Scenario` is unknown, missing or of another type.
    #[error("{place}, column {column}: {problem}")]
    Malformed {
        /// Where.
        place: Place,
        /// The column, from 1.
        column: u64,
        /// What is wrong.
        problem: String,
    },
    /// Something is well-formed and makes no sense.
    #[error("{place}: {problem}")]
    Invalid {
        /// Where.
        place: Place,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A trace that the scenario names cannot be used.
    #[error("{place}: cannot use the trace")]
    Trace {
        /// Where the scenario names it.
        place: Place,
        /// What is wrong with it.
        source: Box<trace::Error>,
    },
    /// A trace that the command line names cannot be used.
    #[error(transparent)]
    OwnTrace(Box<trace::Error>),
    /// The embedded API server does not accept an object.
    #[error("{place}: the API server does not accept {object}: {message}")]
    Refused {
        /// Where the object, or the field that is wrong, stands.
        place: Place,
        /// Kind, namespace and name.
        object: String,
        /// The server's words.
        message: String,
    },
    /// The embedded API server cannot be set up.
    #[error("the embedded API server does not take Tailor's own definitions; this is a bug, please report it")]
    Server {
        /// Its answer.
        source: Box<kube::Error>,
    },
}
