//! The `kindling` command.

mod cli;

use std::io::{self, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    without_device_selection();
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

/// Runs the program again, in this process, with Mesa's device selection layer off.
///
/// The layer asks the desktop which GPU it prefers. Without a desktop, as in a container, it prints
/// `error: XDG_RUNTIME_DIR is invalid or not set in the environment.` on our stderr, whatever
/// command runs. It reads its switch from the environment, which only a new program can change
/// safely. If that fails, the line is all that is wrong.
#[cfg(target_os = "linux")]
fn without_device_selection() {
    use std::os::unix::process::CommandExt;
    let has_desktop = std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|path| !path.is_empty());
    // The user may want the layer.
    let decided = ["NODEVICE_SELECT", "MESA_VK_DEVICE_SELECT"];
    if has_desktop || decided.iter().any(|name| std::env::var_os(name).is_some()) {
        return;
    }
    let mut words = std::env::args_os();
    if let (Ok(program), Some(name)) = (std::env::current_exe(), words.next()) {
        let error = std::process::Command::new(program)
            .arg0(name)
            .args(words)
            .env("NODEVICE_SELECT", "1")
            .exec();
        log::debug!("{error}");
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
