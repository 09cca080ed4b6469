//! The command line: `certpress --help` shows what it does.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
