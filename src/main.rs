//! The command line: `certpress --help` shows what it does.

mod cli;

/// A quarter of what a bulk reissue took was the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
