//! A download gives the published file or a clear error, never a wrong file.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kindling::weights::{Digest, Download, DownloadError, Patience, Progress, PublishedWeights};
use tempfile::TempDir;

use crate::server::{Answer, Server};

const PATIENCE: Patience =
    Patience { stall: Duration::from_millis(300), attempts: 3, pause: Duration::from_millis(5) };
/// The SHA-256 of `content()`, from coreutils' `sha256sum`.
const SHA256: &str = "cbc78aeb1f9acd312a840bcf5d37758a47a79749a8aa169fb41333e3fcd30840";

/// 100,000 bytes of varying values.
fn content() -> Vec<u8> {
    (0..100_000u64).map(|index| (index * index / 7 % 251) as u8).collect()
}

fn published() -> PublishedWeights {
    PublishedWeights {
        name: "tiny".into(),
        file: "tiny-cbc78aeb.pth".into(),
        url: None,
        size: Some(100_000),
        digest: Digest::Whole(SHA256.into()),
        licence: "MIT".into(),
        top1: 0.0,
        source: "this test".into(),
        built_in: None,
    }
}

/// A folder to download to, with the weights to download and the progress reported.
struct Attempt {
    folder: TempDir,
    weights: PublishedWeights,
    progress: Vec<Progress>,
}

impl Attempt {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, weights: published(), progress: Vec::new() }
    }

    fn run(&mut self, address: &str) -> Result<(), DownloadError> {
        self.run_with(address, PATIENCE)
    }

    /// Downloads, and checks that the file exists if and only if the download succeeded.
    fn run_with(&mut self, address: &str, patience: Patience) -> Result<(), DownloadError> {
        let url = format!("{address}/models/{}", self.weights.file);
        let download =
            Download { weights: &self.weights, url: &url, folder: self.folder.path(), patience };
        let result = download.run(&mut |progress| self.progress.push(progress));
        match &result {
            Ok(found) => {
                assert_eq!(found.path(), Some(self.file().as_path()));
                assert_eq!(found.sha256(), SHA256);
                assert_eq!(fs::read(self.file()).unwrap(), content());
                assert!(!self.part().exists());
            }
            Err(_) => assert!(!self.file().exists(), "an incomplete file must be a .part"),
        }
        result.map(|_| ())
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join(&self.weights.file)
    }

    fn part(&self) -> std::path::PathBuf {
        self.folder.path().join(format!("{}.part", self.weights.file))
    }

    fn kept(&self) -> u64 {
        fs::metadata(self.part()).map_or(0, |metadata| metadata.len())
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

#[test]
fn a_file_is_downloaded_and_progress_is_reported() {
    let server = Server::start(content(), [Answer::Whole]);
    let mut attempt = Attempt::new();
    attempt.run(&server.address).unwrap();
    assert!(matches!(
        attempt.progress[0],
        Progress::Started { resumed_from: 0, total: Some(100_000) }
    ));
    assert!(matches!(attempt.progress.last(), Some(Progress::Received(100_000))));
    // If the file exists, no request is sent.
    attempt.run(&server.address).unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn an_interrupted_download_resumes() {
    let answers = [Answer::CutAfter(30_000), Answer::CutAfter(20_000), Answer::Whole];
    let server = Server::start(content(), answers);
    let mut attempt = Attempt::new();
    attempt.run(&server.address).unwrap();
    assert_eq!(server.asked_from(), [0, 30_000, 50_000]);
}

#[test]
fn a_partial_download_is_resumed_by_the_next_process() {
    let server = Server::start(content(), [Answer::CutAfter(40_000), Answer::Whole]);
    let mut attempt = Attempt::new();
    let once = Patience { attempts: 1, ..PATIENCE };
    let message = attempt.run_with(&server.address, once).unwrap_err().to_string();
    assert!(message.contains("failed") && message.contains("40000 bytes are kept"), "{message}");
    assert_eq!(attempt.kept(), 40_000);
    attempt.run_with(&server.address, once).unwrap();
    assert_eq!(server.asked_from(), [0, 40_000]);
}

#[test]
fn a_server_without_range_support_sends_the_whole_file_again() {
    let server = Server::start(content(), [Answer::CutAfter(30_000), Answer::AllOfIt]);
    let mut attempt = Attempt::new();
    attempt.run(&server.address).unwrap();
    assert_eq!(server.asked_from(), [0, 30_000]);
}

#[test]
fn a_wrong_range_is_discarded_and_the_download_restarts() {
    let answers = [Answer::CutAfter(30_000), Answer::WrongPart, Answer::Whole];
    let server = Server::start(content(), answers);
    let mut attempt = Attempt::new();
    attempt.run(&server.address).unwrap();
    assert_eq!(server.asked_from(), [0, 30_000, 0]);
}

#[test]
fn a_connection_that_keeps_breaking_is_given_up_and_the_partial_file_is_kept() {
    let server = Server::start(content(), [Answer::CutAfter(10), Answer::CutAfter(0)]);
    let mut attempt = Attempt::new();
    let error = attempt.run(&server.address).unwrap_err();
    assert!(matches!(error, DownloadError::BrokeOff { kept: 10, .. }), "{error}");
    // The first attempt received some bytes, so it does not count as a failed attempt.
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn content_with_a_wrong_digest_is_refused_and_deleted() {
    let mut other = content();
    other[77_777] ^= 1;
    let server = Server::start(other, [Answer::Whole]);
    let mut attempt = Attempt::new();
    let error = attempt.run(&server.address).unwrap_err();
    assert!(matches!(error, DownloadError::OtherContent { .. }), "{error}");
    assert!(error.to_string().contains(SHA256), "{error}");
    assert!(!attempt.part().exists());
    assert_eq!(server.requests().len(), 1, "wrong content is not requested again");
}

#[test]
fn a_digest_prefix_is_checked_if_the_full_digest_is_unknown() {
    let mut attempt = Attempt::new();
    attempt.weights.digest = Digest::Prefix("cbc78aeb".into());
    attempt.weights.size = None;
    attempt.run(&Server::start(content(), [Answer::Whole]).address).unwrap();

    let mut attempt = Attempt::new();
    attempt.weights.digest = Digest::Prefix("cbc78aeZ".into());
    let error = attempt.run(&Server::start(content(), [Answer::Whole]).address).unwrap_err();
    assert!(error.to_string().contains("cbc78aeZ..."), "{error}");
}

#[test]
fn a_damaged_partial_file_is_downloaded_again() {
    let server = Server::start(content(), [Answer::Whole]);
    let mut attempt = Attempt::new();
    fs::write(attempt.part(), vec![0; 50_000]).unwrap();
    attempt.run(&server.address).unwrap();
    assert_eq!(server.asked_from(), [50_000, 0]);

    // A partial file that is too long, and one of the right length with wrong content.
    for length in [100_001, 100_000] {
        let mut attempt = Attempt::new();
        fs::write(attempt.part(), vec![0; length]).unwrap();
        attempt.run(&server.address).unwrap();
    }
}

#[test]
fn a_damaged_file_under_the_right_name_is_replaced() {
    let server = Server::start(content(), [Answer::Whole]);
    let mut attempt = Attempt::new();
    fs::write(attempt.file(), "no weights").unwrap();
    attempt.run(&server.address).unwrap();
    assert_eq!(length(&attempt.file()), 100_000);
}

#[test]
fn a_file_of_the_wrong_size_is_not_downloaded() {
    let server = Server::start(b"<html>please log in</html>".to_vec(), [Answer::Whole]);
    let mut attempt = Attempt::new();
    let error = attempt.run(&server.address).unwrap_err();
    assert!(
        matches!(error, DownloadError::OtherSize { found: 26, expected: 100_000, .. }),
        "{error}"
    );
    assert_eq!(attempt.kept(), 0);
}

#[test]
fn an_endless_response_is_cut_off() {
    let server = Server::start(content(), [Answer::Endless]);
    let mut attempt = Attempt::new();
    let error = attempt.run(&server.address).unwrap_err();
    assert!(matches!(error, DownloadError::OtherSize { .. }), "{error}");
    assert_eq!(attempt.kept(), 0);
}

#[test]
fn a_missing_file_is_reported_with_its_url_and_not_retried() {
    let server = Server::start(content(), [Answer::Status("404 Not Found")]);
    let mut attempt = Attempt::new();
    let message = attempt.run(&server.address).unwrap_err().to_string();
    assert!(
        message.contains("404 Not Found") && message.contains("/models/tiny-cbc78aeb.pth"),
        "{message}"
    );
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_busy_server_is_retried() {
    let server =
        Server::start(content(), [Answer::Status("503 Service Unavailable"), Answer::Whole]);
    let mut attempt = Attempt::new();
    attempt.run(&server.address).unwrap();
    let retried = |progress: &Progress| matches!(progress, Progress::Retrying { reason } if reason.contains("503"));
    assert!(attempt.progress.iter().any(retried));
}

#[test]
fn a_stalled_download_is_given_up_with_a_clear_error_and_kept() {
    let server = Server::start(content(), [Answer::StallAfter(25_000)]);
    let mut attempt = Attempt::new();
    let once = Patience { attempts: 1, ..PATIENCE };
    let message = attempt.run_with(&server.address, once).unwrap_err().to_string();
    assert!(message.contains("nothing arrived for 0.3 s"), "{message}");
    assert!(message.contains("25000 bytes are kept"), "{message}");
}

#[test]
fn a_stalled_download_resumes_on_the_next_attempt() {
    let server = Server::start(content(), [Answer::StallAfter(25_000), Answer::Whole]);
    let mut attempt = Attempt::new();
    attempt.run(&server.address).unwrap();
    assert_eq!(server.asked_from(), [0, 25_000]);
}

#[test]
fn a_redirect_is_followed_and_keeps_the_requested_range() {
    let there = Server::start(content(), [Answer::CutAfter(60_000), Answer::Whole]);
    let here = Server::start(content(), [Answer::Redirect(format!("{}/there", there.address))]);
    let mut attempt = Attempt::new();
    attempt.run(&here.address).unwrap();
    assert_eq!(there.asked_from(), [0, 60_000]);
    assert!(there.requests()[0].starts_with("get /there "));
}

#[test]
fn a_redirect_loop_is_an_error() {
    let server = Server::start(content(), [Answer::Redirect("/again".into())]);
    let mut attempt = Attempt::new();
    let error = attempt.run(&server.address).unwrap_err();
    assert!(error.to_string().contains("redirect"), "{error}");
}

#[test]
fn an_unreachable_server_is_an_error_at_once() {
    // Bind a port and release it, so that nothing listens there.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut attempt = Attempt::new();
    let error = attempt.run(&format!("http://{address}")).unwrap_err();
    assert!(matches!(error, DownloadError::Unreachable { .. }), "{error}");
    assert!(attempt.progress.is_empty());
}

#[test]
fn concurrent_downloads_send_one_request_and_both_get_the_file() {
    let server = Server::start(content(), [Answer::Slowly(Duration::from_millis(200))]);
    let folder = tempfile::tempdir().unwrap();
    let (weights, url) = (published(), format!("{}/file", server.address));
    let patience = Patience { stall: Duration::from_secs(10), ..PATIENCE };
    let download = Download { weights: &weights, url: &url, folder: folder.path(), patience };
    let waited = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| {
            scope.spawn(|| {
                let mut waited = 0;
                let found = download
                    .run(&mut |progress| {
                        waited += usize::from(matches!(progress, Progress::Waiting))
                    })
                    .unwrap();
                assert_eq!(fs::read(found.path().unwrap()).unwrap(), content());
                waited
            })
        });
        both.map(|thread| thread.join().unwrap()).iter().sum::<usize>()
    });
    assert_eq!((server.requests().len(), waited), (1, 1));
}

#[test]
fn an_unwritable_folder_is_named_in_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let weights = published();
    let inside = file.join("weights");
    let download = Download {
        weights: &weights,
        url: "http://127.0.0.1:1/",
        folder: &inside,
        patience: PATIENCE,
    };
    let error = download.run(&mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("file/weights` cannot be written"), "{error}");
}
