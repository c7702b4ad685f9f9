//! SIGINT (Ctrl-C) and SIGTERM: the first one ends the work after the current batch, the second one
//! ends the program at once.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::Result;
use kindling::features::Extractor;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The first signal that came, or 0.
static SIGNAL: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// A signal ended the work before it was done.
#[derive(Debug)]
pub struct Interrupted {
    signal: u8,
    /// What was kept, and how to go on.
    advice: String,
}

impl Interrupted {
    /// The exit code of a program that a signal ended.
    pub fn exit_code(&self) -> u8 {
        128 + self.signal
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "interrupted; {}", self.advice)
    }
}

impl std::error::Error for Interrupted {}

/// From now on, the first signal is only remembered, for [`check`]. Call it when work starts that
/// checks; before that, a signal ends the program at once.
pub fn watch() -> io::Result<()> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    if WATCHED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    let again = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds `again` unset, and sets it.
        flag::register_conditional_shutdown(signal, 128 + signal, again.clone())?;
        flag::register(signal, again.clone())?;
        flag::register_usize(signal, SIGNAL.clone(), signal as usize)?;
    }
    Ok(())
}

/// Whether a signal came.
pub fn received() -> bool {
    SIGNAL.load(Ordering::SeqCst) != 0
}

/// The error that ends the command after a signal, if one came.
pub fn error(extractor: &Extractor) -> Option<anyhow::Error> {
    let advice = match extractor.is_cached() {
        true => "the features computed so far are cached: run the same command again to go on",
        false => "nothing was kept, because no feature cache is used",
    };
    interrupted(advice)
}

/// The error that ends the command after a signal, with this advice, if one came.
pub fn interrupted(advice: &str) -> Option<anyhow::Error> {
    let signal = u8::try_from(SIGNAL.load(Ordering::SeqCst)).ok().filter(|signal| *signal != 0)?;
    Some(Interrupted { signal, advice: advice.to_owned() }.into())
}

/// Returns the error of [`error`] if a signal came.
pub fn check(extractor: &Extractor) -> Result<()> {
    error(extractor).map_or(Ok(()), Err)
}
