//! The `kindling` command.

mod cli;

use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::read();
    // Logging is off unless RUST_LOG is set.
    env_logger::Builder::new()
        .filter_level(log::LevelFilter::Off)
        .parse_default_env()
        .format(|out, record| {
            let (level, target) = (record.level(), record.target());
            let style = out.default_level_style(level);
            let time = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ");
            writeln!(out, "[{time} {style}{level:<5}{style:#} {target}] {}", record.args())
        })
        .init();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        // The reader closed the pipe (`kindling predict ... | head`), which is not an error.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            cli::fail(error.as_ref());
            match error.downcast_ref::<cli::Interrupted>() {
                Some(interrupted) => ExitCode::from(interrupted.exit_code()),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
