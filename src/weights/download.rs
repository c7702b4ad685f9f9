//! A published weights file, downloaded: resumed where it broke off, checked before it has its name.
//!
//! What arrives goes into `<file>.part` beside its place. Only when its SHA-256 is the published one is
//! it renamed, so under its own name the file is always whole. A second process waits on the lock of
//! `<file>.lock` and then finds the file there.

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
    /// Which.
    pub weights: &'a PublishedWeights,
    /// From where: the published address, or a mirror's.
    pub url: &'a str,
    /// Folder to put it in; made where it is not there.
    pub folder: &'a Path,
    /// When to give up.
    pub patience: Patience,
}

/// When a download is given up.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Longest time in which nothing arrives.
    pub stall: Duration,
    /// Attempts in a row that bring nothing new.
    pub attempts: u32,
    /// Wait before the second attempt; before the third twice as long, and so on.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { stall: Duration::from_secs(30), attempts: 3, pause: Duration::from_secs(1) }
    }
}

/// What a download tells its observer.
#[derive(Clone, Debug)]
pub enum Progress {
    /// Another process downloads the same file; it is waited for.
    Waiting,
    /// The server answers.
    Started {
        /// Bytes that an earlier attempt has left.
        resumed_from: u64,
        /// Bytes there will be, where it is known.
        total: Option<u64>,
    },
    /// Bytes that are here now.
    Received(u64),
    /// Something failed, and there will be another attempt.
    Retrying {
        /// What failed.
        reason: String,
    },
}

/// Why one attempt ended.
enum Fault {
    /// Another attempt may help.
    Passing(String),
    /// None will.
    Lasting(DownloadError),
}

/// Most bytes that are taken where the manifest does not say how many there are.
const LIMIT: u64 = 1 << 30;

impl Download<'_> {
    /// Downloads the file, unless it is there by now.
    ///
    /// Proxies are taken from the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY` and their like).
    ///
    /// # Errors
    /// Where it does not arrive, or is not the published one. What has arrived of it is kept for the
    /// next attempt, unless it was wrong.
    pub fn run(&self, observe: &mut dyn FnMut(Progress)) -> Result<Pretrained, DownloadError> {
        fs::create_dir_all(self.folder)
            .map_err(|error| DownloadError::Write(self.folder.to_owned(), error))?;
        let lock = self.lock(observe)?;
        let place = self.folder.join(&self.weights.file);
        // Another process may have brought it while this one waited. A damaged one is replaced.
        let here = match Pretrained::checked(&place, self.weights) {
            Ok(here) => here,
            Err(_) => self.bring(&place, observe)?,
        };
        // Whoever waits on it finds the file there, as does whoever makes a new one.
        drop(lock);
        let _ = fs::remove_file(self.beside("lock"));
        Ok(here)
    }

    /// Attempts until the file is at `place`, or too many in a row have brought nothing new.
    fn bring(
        &self,
        place: &Path,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<Pretrained, DownloadError> {
        let part = self.beside("part");
        let agent = self.agent()?;
        // The most that there ever was: a server that always begins at the start makes no progress.
        let (mut most, mut fruitless, mut begun_afresh) = (length(&part), 0, false);
        loop {
            let reason = match self.attempt(&agent, &part, observe) {
                Ok(start) => match self.admit(&part, place) {
                    // What was left of an earlier download may be at fault. It is gone now.
                    Err(DownloadError::OtherContent { .. }) if start > 0 && !begun_afresh => {
                        begun_afresh = true;
                        let reason = "what was left of it was damaged".into();
                        observe(Progress::Retrying { reason });
                        continue;
                    }
                    result => return result,
                },
                Err(Fault::Lasting(error)) => return Err(error),
                Err(Fault::Passing(reason)) => reason,
            };
            let kept = length(&part);
            fruitless = if kept > most { 1 } else { fruitless + 1 };
            most = most.max(kept);
            if fruitless >= self.patience.attempts {
                return Err(DownloadError::BrokeOff { url: self.shown(), reason, kept });
            }
            log::debug!("{}: {reason}; another attempt", self.shown());
            observe(Progress::Retrying { reason });
            std::thread::sleep(self.patience.pause * fruitless);
        }
    }

    /// The address without user name and password: it goes into messages, and those into logs.
    fn shown(&self) -> String {
        without_credentials(self.url)
    }

    fn beside(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.weights.file))
    }

    /// Waits until no other process downloads this file. The lock lasts as long as the file is open.
    fn lock(&self, observe: &mut dyn FnMut(Progress)) -> Result<File, DownloadError> {
        let path = self.beside("lock");
        let opened = OpenOptions::new().create(true).append(true).open(&path).or_else(|error| {
            // In a folder that several users share it may be another's, and a lock needs no writing.
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
                // Some network file systems have none. Then two downloads may disturb each other, and
                // the digest still keeps a wrong file from its name.
                Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                    log::debug!("`{}` cannot be locked: {error}", path.display());
                }
                Err(TryLockError::Error(error)) => return Err(error),
            }
            Ok(file)
        });
        locked.map_err(|error| DownloadError::Write(path, error))
    }

    fn agent(&self) -> Result<Agent, DownloadError> {
        // ureq passes over an address that it does not understand, and would go past the proxy.
        for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
            for name in [name.to_owned(), name.to_lowercase()] {
                let value = std::env::var_os(&name).filter(|value| !value.is_empty());
                let fits = |value: &OsString| value.to_str().is_some_and(|v| Proxy::new(v).is_ok());
                if value.is_some_and(|value| !fits(&value)) {
                    let reason =
                        format!("the environment variable {name} holds no proxy's address");
                    return Err(DownloadError::Unreachable { url: self.shown(), reason });
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

    /// Brings `part` to its full length, going on from what is there; says from which byte.
    fn attempt(
        &self,
        agent: &Agent,
        part: &Path,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<u64, Fault> {
        let there = match (length(part), self.weights.size) {
            (there, Some(size)) if there == size => return Ok(there),
            (there, Some(size)) if there > size => 0,
            (there, _) => there,
        };
        log::debug!("GET {} from byte {there}", self.shown());
        let mut request = agent.get(self.url);
        if there > 0 {
            request = request.header(header::RANGE, format!("bytes={there}-"));
        }
        let response = request.call().map_err(|error| self.fault(agent, error))?;
        let length = response.body().content_length();
        let (start, announced) = match (response.status(), part_of(&response)) {
            (StatusCode::OK, _) => (0, length),
            (StatusCode::PARTIAL_CONTENT, Some((first, whole))) if first == there => {
                (there, whole.or(length.map(|length| there.saturating_add(length))))
            }
            (status, _) => return Err(self.refusal(status, part)?),
        };
        match (announced, self.weights.size) {
            (Some(found), Some(expected)) if found != expected => {
                return Err(Fault::Lasting(self.other_size(found, expected)));
            }
            (Some(found), None) if found > LIMIT => return Err(Fault::Lasting(self.too_large())),
            _ => {}
        }
        let total = announced.or(self.weights.size);
        observe(Progress::Started { resumed_from: start, total });
        self.receive(agent, response, part, start, total, observe)?;
        Ok(start)
    }

    /// What an answer without the file means.
    fn refusal(&self, status: StatusCode, part: &Path) -> Result<Fault, Fault> {
        let again = || Fault::Passing(format!("the server answered {status}"));
        Ok(match status {
            // Another part than was asked for, or none from there on: what is here may be wrong.
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                self.discard(part)?;
                again()
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => again(),
            status if status.is_server_error() => again(),
            status => Fault::Lasting(DownloadError::Status { url: self.shown(), status }),
        })
    }

    /// Appends the body to what `part` has up to `start`.
    fn receive(
        &self,
        agent: &Agent,
        response: Response<Body>,
        part: &Path,
        start: u64,
        total: Option<u64>,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<(), Fault> {
        let failed = |error| Fault::Lasting(DownloadError::Write(part.to_owned(), error));
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
                return Err(Fault::Lasting(match total {
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
                Err(Fault::Passing(format!("{received} of {total} bytes arrived")))
            }
            _ => Ok(()),
        }
    }

    /// Gives `part` its name, if it is the published file; removes it, if it is not.
    fn admit(&self, part: &Path, place: &Path) -> Result<Pretrained, DownloadError> {
        match Pretrained::checked(part, self.weights) {
            Ok(whole) => {
                fs::rename(part, place)
                    .map_err(|error| DownloadError::Write(place.to_owned(), error))?;
                Ok(whole.moved(place))
            }
            Err(PretrainedError::Checkpoint(error)) => Err(DownloadError::Checkpoint(error)),
            Err(PretrainedError::Damaged { expected, found, .. }) => {
                let (url, bytes) = (self.shown(), length(part));
                fs::remove_file(part)
                    .map_err(|error| DownloadError::Write(part.to_owned(), error))?;
                Err(DownloadError::OtherContent { url, bytes, found, expected })
            }
        }
    }

    fn other_size(&self, found: u64, expected: u64) -> DownloadError {
        DownloadError::OtherSize { url: self.shown(), found, expected }
    }

    fn too_large(&self) -> DownloadError {
        DownloadError::TooLarge { url: self.shown(), limit: LIMIT }
    }

    fn discard(&self, part: &Path) -> Result<(), Fault> {
        match fs::remove_file(part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Fault::Lasting(DownloadError::Write(part.to_owned(), error)))
            }
            _ => Ok(()),
        }
    }

    fn fault(&self, agent: &Agent, error: ureq::Error) -> Fault {
        let seconds = self.patience.stall.as_secs_f64();
        let reason = match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                return Fault::Passing(format!("there was no connection for {seconds} s"));
            }
            ureq::Error::Timeout(_) => {
                return Fault::Passing(format!("nothing arrived for {seconds} s"));
            }
            ureq::Error::Io(error) => match error.kind() {
                // Nobody is there, and a second later nobody will be.
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable => error.to_string(),
                _ => return Fault::Passing(error.to_string()),
            },
            error @ (ureq::Error::ConnectionFailed | ureq::Error::Protocol(_)) => {
                return Fault::Passing(error.to_string());
            }
            error => error.to_string(),
        };
        let proxy = agent.config().proxy().map_or_else(String::new, |proxy| {
            format!(
                " (through the proxy {}:{}, where NO_PROXY does not forbid it)",
                proxy.host(),
                proxy.port()
            )
        });
        let reason = reason + &proxy;
        Fault::Lasting(DownloadError::Unreachable { url: self.shown(), reason })
    }
}

/// An address without `user:password@`.
pub fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Where a partial answer begins, and how long the whole is: `Content-Range: bytes 7-99/100`.
fn part_of(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (part, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
    Some((part.split('-').next()?.parse().ok()?, whole.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_without_passwords() {
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
