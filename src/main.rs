//! The `tailor` command.

fn main() -> std::process::ExitCode {
    tailor::cli::run()
}
