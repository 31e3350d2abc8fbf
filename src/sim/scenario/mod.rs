//! What runs in the embedded cluster: manifests, and the document that says what their containers use.
//!
//! A scenario is one file of YAML documents: ordinary manifests, which the embedded API server judges as any API server
//! would, and exactly one `Scenario` ([`mod@format`]), which is judged here (`check`). It is read as a whole or refused
//! with the place of what is wrong. Scenario time 0 is the beginning of the first row of every trace; a trace that is
//! shorter than the scenario starts again.

mod bundled;
mod check;
mod documents;
mod error;
pub mod format;
mod from_trace;
mod kubelets;
mod load;
mod manifest;
mod nodes;

use std::{fs, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;

pub use bundled::{BUNDLED_SCENARIOS, BUNDLED_TRACES, DEFAULT_SCENARIO};
pub use documents::{Document, Place};
pub use error::Error;
use format::{FaultSpec, KubeletsSpec, ObjectRef};
pub use load::Loads;
pub use manifest::Manifest;
pub use nodes::Nodes;

/// A scenario in which every reference has been resolved.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// The simulated time of its start.
    pub start: Timestamp,
    /// How long it runs.
    pub duration: Duration,
    /// How often usage is read.
    pub sample_interval: Duration,
    /// How many times as fast as real time it goes on a real cluster.
    pub time_scale: f64,
    /// What is created at the start, in this order.
    pub manifests: Vec<Manifest>,
    /// What is done while it runs, by time.
    pub events: Vec<Event>,
    /// What containers use.
    pub loads: Arc<Loads>,
    /// How the kubelets behave.
    pub kubelets: KubeletsSpec,
    /// What goes wrong on Nodes.
    pub faults: Vec<FaultSpec>,
}

/// Something that a user does while a scenario runs.
#[derive(Clone, Debug)]
pub struct Event {
    /// When, counted from the start.
    pub at: Duration,
    /// What.
    pub change: Change,
}

/// What a user does.
#[derive(Clone, Debug)]
pub enum Change {
    /// Creates the object, or replaces it.
    Apply(Manifest),
    /// Deletes the object.
    Delete {
        /// Which object.
        object: ObjectRef,
        /// Where the scenario says so.
        place: Place,
    },
}

impl Scenario {
    /// The scenario that is part of the binary.
    ///
    /// # Errors
    /// None, as a test shows.
    pub fn bundled() -> Result<Self, Error> {
        Self::parse("default.yaml", DEFAULT_SCENARIO, Path::new("."))
    }

    /// The scenario of that name that is part of the binary, if there is one.
    ///
    /// # Errors
    /// None, as a test shows.
    pub fn named(name: &str) -> Option<Result<Self, Error>> {
        let (name, text) = BUNDLED_SCENARIOS.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse(&format!("{name}.yaml"), text, Path::new(".")))
    }

    /// Reads the file at `path`, and the traces that it names.
    ///
    /// # Errors
    /// Something in it is wrong, as far as that can be told without an API server.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        let looks_like = |ending| file.to_ascii_lowercase().ends_with(ending);
        if looks_like(".csv") || looks_like(".csv.gz") {
            return Err(Error::IsTrace { file });
        }
        let text = fs::read_to_string(path).map_err(|source| Error::Unreadable { file: file.clone(), source })?;
        Self::parse(&file, &text, path.parent().unwrap_or(Path::new(".")))
    }

    /// Reads `text`; `file` is what errors call it, and traces are looked for from `folder`.
    ///
    /// # Errors
    /// As for [`Scenario::open`].
    pub fn parse(file: &str, text: &str, folder: &Path) -> Result<Self, Error> {
        check::scenario(file, Document::split(file, text)?, folder)
    }

    /// A scenario with a workload for each series of the files, sized as people size what they have not measured.
    /// It runs as long as the longest series, or `at_most`.
    ///
    /// # Errors
    /// A file is not a usable trace.
    pub fn from_traces(files: &[impl AsRef<Path>], at_most: Option<Duration>) -> Result<Self, Error> {
        from_trace::scenario(files, at_most)
    }
}

#[cfg(test)]
mod tests;
