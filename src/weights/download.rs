//! Downloads published weights files: resumable, checked against the SHA-256, and safe with several
//! processes.
//!
//! The data is written to `<file>.part`, which is renamed to `<file>` only if its SHA-256 is the
//! published one. A file called `<file>` is therefore always complete. A second process waits for
//! the lock on `<file>.lock` and then finds the downloaded file.

use crate::printable::PathText;

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, Timeout};

use super::{DownloadError, Pretrained, PretrainedError, PublishedWeights};

/// A file to download.
pub struct Download<'a> {
    /// The published weights.
    pub weights: &'a PublishedWeights,
    /// Address: the published one or that of a mirror.
    pub url: &'a str,
    /// Folder of the downloaded file; created if missing.
    pub folder: &'a Path,
    /// Time limits and number of attempts.
    pub patience: Patience,
}

/// Time limits and number of attempts of a download.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Longest time without receiving data.
    pub stall: Duration,
    /// The download fails after this number of failed attempts in a row. The count starts again at
    /// an attempt that received new data.
    pub attempts: u32,
    /// Pause after the first failed attempt in a row; twice as long after the second, three times
    /// as long after the third, and so on.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { stall: Duration::from_secs(30), attempts: 3, pause: Duration::from_secs(1) }
    }
}

/// Progress that a download reports to its observer.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Waiting for another process that is downloading the same file.
    Waiting,
    /// The server answered and the transfer starts.
    Started {
        /// Bytes kept from an earlier attempt.
        resumed_from: u64,
        /// Size of the whole file in bytes, if known.
        total: Option<u64>,
    },
    /// Bytes received so far, including those from earlier attempts.
    Received(u64),
    /// An attempt failed and another one follows.
    Retrying {
        /// Cause of the failure.
        reason: String,
    },
}

/// Why an attempt failed.
enum Fault {
    /// Another attempt may succeed.
    Transient(String),
    /// Every further attempt would fail too.
    Permanent(DownloadError),
}

/// Size limit in bytes if the manifest does not give the size.
const LIMIT: u64 = 1 << 30;

impl Download<'_> {
    /// Downloads the file, unless the folder already has it.
    ///
    /// Proxies are read from the environment (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`,
    /// `NO_PROXY`).
    ///
    /// # Errors
    /// If the download fails or the file is not the published one. The bytes received so far are
    /// kept for the next call, unless the file was the wrong one.
    pub fn run(&self, observe: &mut dyn FnMut(Progress)) -> Result<Pretrained, DownloadError> {
        fs::create_dir_all(self.folder)
            .map_err(|error| DownloadError::Write(self.folder.to_owned(), error))?;
        let lock = self.lock(observe)?;
        let target = self.folder.join(&self.weights.file);
        // Another process may have downloaded the file in the meantime. A damaged file is replaced.
        let pretrained = match Pretrained::checked(&target, self.weights) {
            Ok(pretrained) => pretrained,
            Err(_) => self.download(&target, observe)?,
        };
        // Removing the lock file is safe: processes that wait for it, and processes that create a
        // new one, find the downloaded file.
        drop(lock);
        let _ = fs::remove_file(self.sibling("lock"));
        Ok(pretrained)
    }

    /// Repeats attempts until the file is at `target`, or too many in a row received no new data.
    fn download(
        &self,
        target: &Path,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<Pretrained, DownloadError> {
        let part = self.sibling("part");
        let agent = self.agent()?;
        // Progress is measured against the longest partial file so far, because a server may send
        // the file from its start in each attempt.
        let (mut longest, mut failures, mut restarted) = (file_size(&part), 0, false);
        loop {
            let reason = match self.attempt(&agent, &part, observe) {
                Ok(start) => match self.finish(&part, target) {
                    // The partial file of an earlier download may have been damaged. It is deleted
                    // now, so start again.
                    Err(DownloadError::OtherContent { .. }) if start > 0 && !restarted => {
                        restarted = true;
                        let reason = "the partial file of an earlier download was damaged".into();
                        observe(Progress::Retrying { reason });
                        continue;
                    }
                    result => return result,
                },
                Err(Fault::Permanent(error)) => return Err(error),
                Err(Fault::Transient(reason)) => reason,
            };
            let kept = file_size(&part);
            failures = if kept > longest { 1 } else { failures + 1 };
            longest = longest.max(kept);
            if failures >= self.patience.attempts {
                return Err(DownloadError::BrokeOff { url: self.display_url(), reason, kept });
            }
            log::debug!("{}: {reason}; trying again", self.display_url());
            observe(Progress::Retrying { reason });
            std::thread::sleep(self.patience.pause * failures);
        }
    }

    /// The address without user name and password, for messages and logs.
    fn display_url(&self) -> String {
        without_credentials(self.url)
    }

    /// Path of the file with `.extension` appended to its name.
    fn sibling(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.weights.file))
    }

    /// Waits until no other process downloads this file. The lock is held while the returned file
    /// is open.
    fn lock(&self, observe: &mut dyn FnMut(Progress)) -> Result<File, DownloadError> {
        let path = self.sibling("lock");
        let opened = OpenOptions::new().create(true).append(true).open(&path).or_else(|error| {
            // In a shared folder, the lock file may belong to another user. Locking needs no write
            // permission.
            if error.kind() == io::ErrorKind::PermissionDenied {
                File::open(&path)
            } else {
                Err(error)
            }
        });
        let locked = opened.and_then(|file| {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    observe(Progress::Waiting);
                    file.lock()?;
                }
                // Some network file systems do not support locks. Two downloads may then overwrite
                // each other's data, but the digest check rejects a corrupt file.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    log::debug!("`{}` cannot be locked: {error}", path.shown());
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            Ok(file)
        });
        locked.map_err(|error| DownloadError::Write(path, error))
    }

    fn agent(&self) -> Result<Agent, DownloadError> {
        // ureq ignores a proxy address that it cannot parse, and would connect without the proxy.
        for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
            for name in [name.to_owned(), name.to_lowercase()] {
                let value = std::env::var_os(&name).filter(|value| !value.is_empty());
                let is_valid =
                    |value: &OsString| value.to_str().is_some_and(|v| Proxy::new(v).is_ok());
                if value.is_some_and(|value| !is_valid(&value)) {
                    let reason =
                        format!("the environment variable {name} is not a valid proxy address");
                    return Err(DownloadError::Unreachable { url: self.display_url(), reason });
                }
            }
        }
        let stall = Some(self.patience.stall);
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        Ok(Agent::config_builder()
            .timeout_resolve(stall)
            .timeout_connect(stall)
            .timeout_recv_response(stall)
            .timeout_per_read(stall)
            .http_status_as_error(false)
            .user_agent(concat!("kindling/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build()
            .into())
    }

    /// Completes `part`, resuming after its existing bytes. Returns the byte at which the transfer
    /// started.
    fn attempt(
        &self,
        agent: &Agent,
        part: &Path,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<u64, Fault> {
        let existing = match (file_size(part), self.weights.size) {
            (existing, Some(size)) if existing == size => return Ok(existing),
            (existing, Some(size)) if existing > size => 0,
            (existing, _) => existing,
        };
        log::debug!("GET {} from byte {existing}", self.display_url());
        let mut request = agent.get(self.url);
        if existing > 0 {
            request = request.header(header::RANGE, format!("bytes={existing}-"));
        }
        let response = request.call().map_err(|error| self.fault(agent, error))?;
        let length = response.body().content_length();
        let (start, announced) = match (response.status(), content_range(&response)) {
            (StatusCode::OK, _) => (0, length),
            (StatusCode::PARTIAL_CONTENT, Some((first, whole))) if first == existing => {
                (existing, whole.or(length.map(|length| existing.saturating_add(length))))
            }
            (status, _) => return Err(self.status_fault(status, part)?),
        };
        match (announced, self.weights.size) {
            (Some(found), Some(expected)) if found != expected => {
                return Err(Fault::Permanent(self.other_size(found, expected)));
            }
            (Some(found), None) if found > LIMIT => return Err(Fault::Permanent(self.too_large())),
            _ => {}
        }
        let total = announced.or(self.weights.size);
        observe(Progress::Started { resumed_from: start, total });
        self.receive(agent, response, part, start, total, observe)?;
        Ok(start)
    }

    /// The fault that an answer without the requested bytes means.
    fn status_fault(&self, status: StatusCode, part: &Path) -> Result<Fault, Fault> {
        let again = || Fault::Transient(format!("the server answered {status}"));
        Ok(match status {
            // The server sent another range, or has no bytes after the existing ones: the partial
            // file may be wrong.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                self.discard(part)?;
                again()
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => again(),
            status if status.is_server_error() => again(),
            status => Fault::Permanent(DownloadError::Status { url: self.display_url(), status }),
        })
    }

    /// Truncates `part` to `start` bytes and appends the body of the response.
    fn receive(
        &self,
        agent: &Agent,
        response: Response<Body>,
        part: &Path,
        start: u64,
        total: Option<u64>,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<(), Fault> {
        let failed = |error| Fault::Permanent(DownloadError::Write(part.to_owned(), error));
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(part)
            .and_then(|file| file.set_len(start).map(|()| file))
            .map_err(failed)?;
        let mut body = response.into_body().into_reader();
        let (mut buffer, mut received) = (vec![0; 1 << 16], start);
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.fault(agent, error.into())),
            };
            received += count as u64;
            if received > total.unwrap_or(LIMIT) {
                self.discard(part)?;
                return Err(Fault::Permanent(match total {
                    Some(total) => self.other_size(received, total),
                    None => self.too_large(),
                }));
            }
            file.write_all(&buffer[..count]).map_err(failed)?;
            observe(Progress::Received(received));
        }
        file.sync_all().map_err(failed)?;
        match total {
            Some(total) if received < total => {
                Err(Fault::Transient(format!("{received} of {total} bytes arrived")))
            }
            _ => Ok(()),
        }
    }

    /// Renames `part` to `target` if it is the published file, and deletes it otherwise.
    fn finish(&self, part: &Path, target: &Path) -> Result<Pretrained, DownloadError> {
        match Pretrained::checked(part, self.weights) {
            Ok(pretrained) => {
                fs::rename(part, target)
                    .map_err(|error| DownloadError::Write(target.to_owned(), error))?;
                Ok(pretrained.moved(target))
            }
            Err(PretrainedError::Checkpoint(error)) => Err(DownloadError::Checkpoint(error)),
            Err(PretrainedError::Damaged { expected, found, .. }) => {
                let (url, bytes) = (self.display_url(), file_size(part));
                fs::remove_file(part)
                    .map_err(|error| DownloadError::Write(part.to_owned(), error))?;
                Err(DownloadError::OtherContent { url, bytes, found, expected })
            }
        }
    }

    fn other_size(&self, found: u64, expected: u64) -> DownloadError {
        DownloadError::OtherSize { url: self.display_url(), found, expected }
    }

    fn too_large(&self) -> DownloadError {
        DownloadError::TooLarge { url: self.display_url(), limit: LIMIT }
    }

    fn discard(&self, part: &Path) -> Result<(), Fault> {
        match fs::remove_file(part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Fault::Permanent(DownloadError::Write(part.to_owned(), error)))
            }
            _ => Ok(()),
        }
    }

    fn fault(&self, agent: &Agent, error: ureq::Error) -> Fault {
        let seconds = self.patience.stall.as_secs_f64();
        let reason = match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                return Fault::Transient(format!("no connection after {seconds} s"));
            }
            ureq::Error::Timeout(_) => {
                return Fault::Transient(format!("nothing arrived for {seconds} s"));
            }
            ureq::Error::Io(error) => match error.kind() {
                // Another attempt a second later would fail in the same way.
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable => error.to_string(),
                _ => return Fault::Transient(error.to_string()),
            },
            error @ (ureq::Error::ConnectionFailed | ureq::Error::Protocol(_)) => {
                return Fault::Transient(error.to_string());
            }
            error => error.to_string(),
        };
        let proxy = agent.config().proxy().map_or_else(String::new, |proxy| {
            format!(
                " (through the proxy {}:{}, unless NO_PROXY excludes the server)",
                proxy.host(),
                proxy.port()
            )
        });
        let reason = reason + &proxy;
        Fault::Permanent(DownloadError::Unreachable { url: self.display_url(), reason })
    }
}

/// The address without `user:password@`.
pub fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// Size in bytes; 0 if the file does not exist.
fn file_size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// First byte of a partial response and size of the whole file, if known, from a header such as
/// `Content-Range: bytes 7-99/100`.
fn content_range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (part, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
    Some((part.split('-').next()?.parse().ok()?, whole.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_passwords() {
        for (url, shown) in [
            ("https://mirror.example/m/f.pth", "https://mirror.example/m/f.pth"),
            ("https://me:secret@mirror.example/f", "https://mirror.example/f"),
            ("http://me:s@cr@t@mirror.example:80", "http://mirror.example:80"),
            ("http://mirror.example/a@b", "http://mirror.example/a@b"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
