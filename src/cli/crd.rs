//! `tailor crd`: prints the CustomResourceDefinition.

use std::io::Write;

use kube::CustomResourceExt;

use crate::api::VerticalResizePolicy;

/// Writes the CustomResourceDefinition as YAML.
pub fn run(out: &mut dyn Write) -> anyhow::Result<()> {
    out.write_all(render()?.as_bytes())?;
    Ok(())
}

/// The CustomResourceDefinition as YAML, as `crds/` holds it.
pub fn render() -> anyhow::Result<String> {
    Ok(serde_saphyr::to_string(&VerticalResizePolicy::crd())?)
}
