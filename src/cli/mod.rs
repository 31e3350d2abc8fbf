//! The command line: a file per subcommand.
//!
//! Exit codes: 0 done, 1 failed at work, 2 for what the user must mend: arguments (as clap has it), files, scenarios.
//! An error is printed as a chain, from what was being done to what went wrong.

pub mod admission;
pub mod controller;
pub mod crd;
pub mod docs;
pub mod probe;
pub mod prometheus;
pub mod settings;
mod signals;
pub mod sim_node;
pub mod simulate;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// Keeps the CPU and memory requests and limits of running Pods fitted to what they use, in place.
#[derive(Debug, Parser)]
#[command(name = "tailor", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Simulate(simulate::Args),
    Controller(Box<controller::Args>),
    SimNode(sim_node::Args),
    Probe(probe::Args),
    Crd(crd::Args),
    #[command(hide = true)]
    Docs(docs::Args),
}

/// Why a subcommand failed.
#[derive(Debug)]
pub enum Failure {
    /// Something that the user gave is wrong; nothing has been done.
    BadInput(anyhow::Error),
    /// Something went wrong at work.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

/// Parses the arguments and runs one subcommand.
pub fn run() -> ExitCode {
    let out = &mut io::stdout().lock();
    let done = match settings::parse::<Cli>(std::env::args_os()) {
        Ok(Ok(cli)) => run_one(cli.command, out),
        Ok(Err(error)) => error.exit(),
        Err(error) => Err(Failure::BadInput(error)),
    };
    let done = done.and_then(|()| out.flush().map_err(|error| Failure::Failed(error.into())));
    let (code, error) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::BadInput(error)) => (2, error),
        Err(Failure::Failed(error)) => (1, error),
    };
    // Whoever reads our output may stop when it has seen enough, as `head` does.
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error}");
    causes(&error).iter().for_each(|cause| eprintln!("  because: {cause}"));
    ExitCode::from(code)
}

fn run_one(command: Command, out: &mut dyn Write) -> Result<(), Failure> {
    match command {
        Command::Simulate(args) => simulate::run(&args, out),
        Command::Controller(args) => controller::run(&args),
        Command::SimNode(args) => sim_node::run(&args, out),
        Command::Probe(args) => probe::run(&args, out),
        Command::Crd(args) => crd::run(&args, out).map_err(Failure::from),
        Command::Docs(args) => docs::run(&args, out).map_err(Failure::from),
    }
}

/// What an error was caused by, one after the other. Many libraries repeat the cause in their own message; what has been
/// said already is left out.
fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said.clone_from(&cause);
            causes.push(cause);
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_cause_that_was_said_already_is_not_said_again() {
        let error = anyhow!("no such file")
            .context("cannot read k: no such file")
            .context("no cluster: cannot read k: no such file")
            .context("cannot start");
        assert_eq!(causes(&error), ["no cluster: cannot read k: no such file"]);
        assert_eq!(causes(&anyhow!("b").context("a")), ["b"]);
    }
}
