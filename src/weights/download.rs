//! A published weights file, downloaded: resumed where it broke off, checked before it has its name.
//!
//! What arrives goes into `<file>.part` beside its place. Only when its SHA-256 is the published one is
//! it renamed, so under its own name the file is always whole. A second process waits on the lock of
//! `<file>.lock` and then finds the file there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::{Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Timeout};

use super::{CheckpointError, Digest, Pretrained, PretrainedError, PublishedWeights};

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

/// Why a file was not downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// The folder or a file in it cannot be written.
    #[error("`{}` cannot be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// The server has no such file, or does not give it.
    #[error("the server answers {status} for {url}")]
    Status {
        /// The address.
        url: String,
        /// The answer.
        status: StatusCode,
    },
    /// The server has a file of another size.
    #[error("{url} is another file: it has {found} bytes, and the published one {expected}")]
    OtherSize {
        /// The address.
        url: String,
        /// Bytes there.
        found: u64,
        /// Bytes published.
        expected: u64,
    },
    /// The server has another content.
    #[error(
        "what {url} gives is not the published file and was deleted: its SHA-256 is {found}, and \
         {expected} is published"
    )]
    OtherContent {
        /// The address.
        url: String,
        /// What arrived.
        found: String,
        /// What is published.
        expected: Digest,
    },
    /// The address or the way there is at fault.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// The connection failed, again and again.
    #[error(
        "the download of {url} broke off: {reason}{kept}",
        kept = match kept {
            0 => String::new(),
            bytes => format!(" ({bytes} bytes are kept; the next attempt goes on from there)"),
        }
    )]
    BrokeOff {
        /// The address.
        url: String,
        /// What failed last.
        reason: String,
        /// Bytes that are here.
        kept: u64,
    },
    /// What arrived cannot be read back.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Why one attempt ended.
enum Fault {
    /// Another attempt may help.
    Passing(String),
    /// None will.
    Lasting(DownloadError),
}

/// Most bytes that are taken where neither the manifest nor the server says how many there are.
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
        let _lock = self.lock(observe)?;
        let place = self.folder.join(&self.weights.file);
        // Another process may have brought it while this one waited. A damaged one is replaced.
        if place.is_file()
            && let Ok(there) = Pretrained::checked(&place, self.weights)
        {
            return Ok(there);
        }
        let part = self.beside("part");
        let agent = self.agent();
        let (mut fruitless, mut begun_afresh) = (0, false);
        loop {
            let before = length(&part);
            let reason = match self.attempt(&agent, &part, observe) {
                Ok(()) => match self.admit(&part, &place) {
                    // What was left of an earlier download may have been at fault.
                    Err(DownloadError::OtherContent { .. }) if before > 0 && !begun_afresh => {
                        begun_afresh = true;
                        "what there was of it already was damaged".to_owned()
                    }
                    result => return result,
                },
                Err(Fault::Lasting(error)) => return Err(error),
                Err(Fault::Passing(reason)) => reason,
            };
            let kept = length(&part);
            fruitless = if kept > before { 1 } else { fruitless + 1 };
            if fruitless >= self.patience.attempts {
                return Err(DownloadError::BrokeOff { url: self.url.to_owned(), reason, kept });
            }
            log::debug!("{}: {reason}; another attempt", self.url);
            observe(Progress::Retrying { reason });
            std::thread::sleep(self.patience.pause * fruitless);
        }
    }

    fn beside(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.weights.file))
    }

    /// Waits until no other process downloads this file. The lock lasts as long as the file is open.
    fn lock(&self, observe: &mut dyn FnMut(Progress)) -> Result<File, DownloadError> {
        let path = self.beside("lock");
        let locked = File::create(&path).and_then(|file| {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    observe(Progress::Waiting);
                    file.lock()?;
                }
                Err(TryLockError::Error(error)) => return Err(error),
                Ok(()) => {}
            }
            Ok(file)
        });
        locked.map_err(|error| DownloadError::Write(path, error))
    }

    fn agent(&self) -> Agent {
        let stall = Some(self.patience.stall);
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        Agent::config_builder()
            .timeout_resolve(stall)
            .timeout_connect(stall)
            .timeout_recv_response(stall)
            .timeout_per_read(stall)
            .http_status_as_error(false)
            .user_agent(concat!("kindling/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build()
            .into()
    }

    /// Brings `part` to its full length, going on from what is there.
    fn attempt(
        &self,
        agent: &Agent,
        part: &Path,
        observe: &mut dyn FnMut(Progress),
    ) -> Result<(), Fault> {
        let there = match (length(part), self.weights.size) {
            (there, Some(size)) if there == size => return Ok(()),
            (there, Some(size)) if there > size => 0,
            (there, _) => there,
        };
        log::debug!("GET {} from byte {there}", self.url);
        let mut request = agent.get(self.url);
        if there > 0 {
            request = request.header(header::RANGE, format!("bytes={there}-"));
        }
        let response = request.call().map_err(|error| self.fault(error))?;
        let start = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if first_byte(&response) == Some(there) => there,
            status @ (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE) => {
                self.discard(part)?;
                return Err(Fault::Passing(format!("the server answered {status}")));
            }
            status @ (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) => {
                return Err(Fault::Passing(format!("the server answered {status}")));
            }
            status if status.is_server_error() => {
                return Err(Fault::Passing(format!("the server answered {status}")));
            }
            status => {
                return Err(Fault::Lasting(DownloadError::Status {
                    url: self.url.to_owned(),
                    status,
                }));
            }
        };
        let announced = response.body().content_length().map(|length| start + length);
        if let (Some(found), Some(expected)) = (announced, self.weights.size)
            && found != expected
        {
            return Err(Fault::Lasting(self.other_size(found, expected)));
        }
        let total = announced.or(self.weights.size);
        observe(Progress::Started { resumed_from: start, total });
        self.receive(response, part, start, total, observe)
    }

    /// Appends the body to what `part` has up to `start`.
    fn receive(
        &self,
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
                Err(error) => return Err(self.fault(error.into())),
            };
            received += count as u64;
            let limit = total.unwrap_or(LIMIT);
            if received > limit {
                self.discard(part)?;
                return Err(Fault::Lasting(self.other_size(received, limit)));
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
            Err(error) => {
                fs::remove_file(part)
                    .map_err(|error| DownloadError::Write(part.to_owned(), error))?;
                Err(self.refused(error))
            }
        }
    }

    fn refused(&self, error: PretrainedError) -> DownloadError {
        match error {
            PretrainedError::Checkpoint(error) => DownloadError::Checkpoint(error),
            PretrainedError::Damaged { expected, found, .. } => {
                DownloadError::OtherContent { url: self.url.to_owned(), found, expected }
            }
        }
    }

    fn other_size(&self, found: u64, expected: u64) -> DownloadError {
        DownloadError::OtherSize { url: self.url.to_owned(), found, expected }
    }

    fn discard(&self, part: &Path) -> Result<(), Fault> {
        match fs::remove_file(part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Fault::Lasting(DownloadError::Write(part.to_owned(), error)))
            }
            _ => Ok(()),
        }
    }

    fn fault(&self, error: ureq::Error) -> Fault {
        let seconds = self.patience.stall.as_secs_f64();
        match error {
            ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect) => {
                Fault::Passing(format!("there was no connection for {seconds} s"))
            }
            ureq::Error::Timeout(_) => Fault::Passing(format!("nothing arrived for {seconds} s")),
            ureq::Error::Io(error) => match error.kind() {
                // Nobody is there, and a second later nobody will be.
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::NetworkUnreachable
                | io::ErrorKind::HostUnreachable => Fault::Lasting(self.unreachable(&error)),
                _ => Fault::Passing(error.to_string()),
            },
            error @ (ureq::Error::ConnectionFailed | ureq::Error::Protocol(_)) => {
                Fault::Passing(error.to_string())
            }
            error => Fault::Lasting(self.unreachable(&error)),
        }
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> DownloadError {
        DownloadError::Unreachable { url: self.url.to_owned(), reason: error.to_string() }
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Where a partial answer begins: `Content-Range: bytes 7-99/100`.
fn first_byte(response: &Response<Body>) -> Option<u64> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
