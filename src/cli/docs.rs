//! `tailor docs`: prints the pages of docs/ that are made of the code.

mod fields;

use std::io::Write;

use clap::Args as _;

use super::{controller, settings};
use crate::telemetry::metrics;

/// Prints a page of the documentation.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Which one.
    #[arg(value_enum)]
    page: Page,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Page {
    /// docs/fields.md
    Fields,
    /// docs/metrics.md
    Metrics,
    /// docs/settings.md
    Settings,
}

/// Writes the page.
///
/// # Errors
/// It cannot be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<()> {
    let page = match args.page {
        Page::Fields => fields::page(),
        Page::Metrics => metrics::reference(),
        Page::Settings => settings_page(),
    };
    Ok(out.write_all(page.as_bytes())?)
}

fn settings_page() -> String {
    let command = controller::Args::augment_args(clap::Command::new("controller"));
    format!(
        "# Settings of `tailor controller`\n\nEach setting can be given by flag (`--name value`), by environment, and in \
         the YAML file that `--config` names\n(`name: value`). A flag wins over the environment, that over the file, and \
         that over the default; what is unknown\nis refused. This page is written by `make generate`.\n\n{}",
        settings::reference(&command)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_settings_is_up_to_date() {
        assert_eq!(include_str!("../../docs/settings.md"), settings_page(), "run `make generate`");
    }
}
