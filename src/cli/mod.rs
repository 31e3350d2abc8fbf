//! The command line: a file per subcommand.

pub mod controller;
pub mod crd;

/// Parses the arguments and runs one subcommand.
pub fn run() -> std::process::ExitCode {
    match crd::run(&mut std::io::stdout().lock()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{e:?}");
            std::process::ExitCode::FAILURE
        }
    }
}
