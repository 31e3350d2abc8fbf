//! `tailor crd`: prints the CustomResourceDefinitions.

use std::io::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::api::{VerticalResizeCheckpoint, VerticalResizePolicy};

/// Which CustomResourceDefinition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, strum::EnumIter, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Definition {
    /// What users write.
    VerticalResizePolicies,
    /// What Tailor keeps.
    VerticalResizeCheckpoints,
}

/// Prints the CustomResourceDefinitions, all of them or one.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Only this one.
    #[arg(value_enum)]
    definition: Option<Definition>,
}

/// Writes CustomResourceDefinitions as YAML.
///
/// # Errors
/// They cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<()> {
    let text = match args.definition {
        Some(definition) => definition.render()?,
        None => [Definition::VerticalResizePolicies.render()?, Definition::VerticalResizeCheckpoints.render()?]
            .join("---\n"),
    };
    Ok(out.write_all(text.as_bytes())?)
}

impl Definition {
    /// As an object.
    pub fn object(self) -> CustomResourceDefinition {
        match self {
            Self::VerticalResizePolicies => VerticalResizePolicy::crd(),
            Self::VerticalResizeCheckpoints => VerticalResizeCheckpoint::crd(),
        }
    }

    /// As YAML, as `crds/` holds it.
    ///
    /// # Errors
    /// It cannot be written as YAML.
    pub fn render(self) -> anyhow::Result<String> {
        Ok(serde_saphyr::to_string(&self.object())?)
    }
}
