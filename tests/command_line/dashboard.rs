//! `train --tui`.

use crate::errors::assert_error;
use crate::fixtures::{narrow, photos, run_in, stderr, stdout};

#[test]
fn without_a_terminal_the_dashboard_gives_way_to_lines() {
    let folder = photos(2);
    let args = ["train", "photos", "--out", "run", "--epochs", "2", "--tui"].map(String::from);
    let output = run_in(folder.path(), args.clone().into_iter().chain(narrow()));
    if !cfg!(feature = "tui") {
        assert_error(&output, &["no dashboard", "`--features tui`"]);
        return;
    }
    let message = stdout(&output);
    assert!(message.contains("epoch   2  train loss") && !message.contains('\x1b'), "{message}");
    assert!(stderr(&output).contains("warning: --tui needs a terminal"), "{}", stderr(&output));
    let both = run_in(folder.path(), args.iter().map(String::as_str).chain(["--quiet"]));
    assert_eq!(both.status.code(), Some(2));
}

/// Tests on a pseudo-terminal, created by util-linux's `script`.
#[cfg(all(unix, feature = "tui"))]
mod on_a_terminal {
    use std::io::{Read, Write};
    use std::path::Path;
    use std::process::{Child, Command, Output, Stdio};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use crate::fixtures::{narrow, photos};

    const ENTER: &str = "\x1b[?1049h";
    const LEAVE: &str = "\x1b[?1049l";

    /// Starts `train --tui` on a terminal of 120 columns and 40 rows. If `script` is not installed,
    /// prints that the test is skipped and returns `None`.
    fn train(place: &Path, epochs: &str) -> Option<Child> {
        let version = Command::new("script").arg("--version").output();
        if !version
            .is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("util-linux"))
        {
            println!("skipped: util-linux's `script` is not installed");
            return None;
        }
        let args =
            ["train", "photos", "--out", "run", "--tui", "--epochs", epochs].map(String::from);
        let words =
            [env!("CARGO_BIN_EXE_kindling").to_owned()].into_iter().chain(args).chain(narrow());
        let words: Vec<String> =
            words.map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        let command = format!("stty cols 120 rows 40; {}", words.join(" "));
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).current_dir(place);
        script.env("NODEVICE_SELECT", "1").env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
        let pipes = script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Some(pipes.spawn().unwrap())
    }

    /// Presses these keys repeatedly, one after the other, until the program exits.
    fn press(mut child: Child, keys: &[u8]) -> Output {
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let reader = std::thread::spawn(move || {
            let mut message = Vec::new();
            stdout.read_to_end(&mut message).unwrap();
            message
        });
        let start = Instant::now();
        let mut keys = keys.iter().cycle();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < Duration::from_secs(120), "the program does not exit");
            sleep(Duration::from_millis(400));
            if let Some(key) = keys.next() {
                // The write fails if the program has just exited.
                let _ = stdin.write_all(&[*key]);
            }
        };
        Output { status, stdout: reader.join().unwrap(), stderr: Vec::new() }
    }

    /// The text in the terminal's scrollback: everything written outside the alternate screen.
    fn scrollback(output: &Output) -> String {
        let message = String::from_utf8_lossy(&output.stdout);
        let (before, rest) =
            message.split_once(ENTER).unwrap_or_else(|| panic!("never entered: {message}"));
        let (_, after) = rest.rsplit_once(LEAVE).unwrap_or_else(|| panic!("never left: {message}"));
        without_sequences(&(before.to_owned() + after))
    }

    /// The text without escape sequences for cursor movement and colours: `ESC [ ... letter`.
    fn without_sequences(text: &str) -> String {
        let mut parts = text.split("\x1b[");
        let plain = parts.next().unwrap().to_owned();
        parts.fold(plain, |plain, part| {
            plain
                + part
                    .trim_start_matches(|part: char| !part.is_ascii_alphabetic())
                    .get(1..)
                    .unwrap_or("")
        })
    }

    #[test]
    fn the_dashboard_closes_by_itself_and_every_line_stands_below_it() {
        let folder = photos(6);
        let Some(child) = train(folder.path(), "5") else { return };
        let output = press(child, &[]);
        let message = scrollback(&output);
        assert!(output.status.success(), "{message}");
        let mut lines = message.lines();
        let epochs: Vec<String> = (1..=5).map(|epoch| format!("epoch {epoch:3}  train")).collect();
        let starts = ["photos  ", "device  ", "backbone  ", "features  "].map(String::from);
        let ends = ["model     run (epoch ", "validation accuracy "].map(String::from);
        for start in starts.iter().chain(&epochs).chain(&ends) {
            assert!(
                lines.any(|line| line.contains(start.as_str())),
                "`{start}` is not next in {message}"
            );
        }
        assert!(folder.path().join("run/model.safetensors").exists());
    }

    #[test]
    fn a_stop_on_the_dashboard_keeps_what_was_trained() {
        let folder = photos(6);
        let Some(child) = train(folder.path(), "1000000") else { return };
        let output = press(child, b"qs");
        let message = scrollback(&output);
        assert!(output.status.success(), "{}", &message[message.len().saturating_sub(2000)..]);
        assert!(
            message.contains("epoch   1  train loss") && message.contains("model     run (epoch ")
        );
        let epochs = message.lines().filter(|line| line.contains("  train loss ")).count();
        let metrics = std::fs::read_to_string(folder.path().join("run/metrics.csv")).unwrap();
        assert_eq!(metrics.lines().count(), epochs + 1);
    }

    #[test]
    fn a_kill_on_the_dashboard_is_one_error_and_leaves_nothing() {
        let folder = photos(6);
        let Some(child) = train(folder.path(), "1000000") else { return };
        let output = press(child, b"qk");
        let message = scrollback(&output);
        assert_eq!(output.status.code(), Some(1));
        let errors: Vec<&str> = message.lines().filter(|line| line.contains("error")).collect();
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains("killed on the dashboard, so there is no run"), "{errors:?}");
        assert!(!message.contains("panicked") && !message.contains("backtrace"));
        let left: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["photos"]);
    }
}
