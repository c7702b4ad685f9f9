//! Panics of code that is not ours become errors, and print nothing.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

thread_local! {
    /// Whether a panic of this thread becomes an error.
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// What a panic said.
#[cfg_attr(
    not(feature = "wgpu"),
    allow(dead_code, reason = "only what opens a graphics adapter reports it")
)]
pub(crate) struct Panicked(Box<dyn Any + Send>);

#[cfg_attr(
    not(feature = "wgpu"),
    allow(dead_code, reason = "only what opens a graphics adapter reports it")
)]
impl Panicked {
    /// Its message on one line, cut after 160 characters. `None` if it is no text.
    pub fn message(&self) -> Option<String> {
        message(&*self.0)
    }
}

/// A panic's message on one line, cut after 160 characters. `None` if it is no text.
#[cfg_attr(
    not(any(feature = "wgpu", feature = "cuda")),
    allow(dead_code, reason = "only what computes on a GPU reports it")
)]
pub(crate) fn message(payload: &(dyn Any + Send)) -> Option<String> {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())?;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(line.chars().take(160).collect())
}

/// Runs `work`. If it panics, the panic hook of the program is not called for it.
///
/// # Errors
/// If it panics.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let outer = quietly();
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    IS_CAUGHT.set(outer);
    result.map_err(Panicked)
}

/// From now on the panic hook of the program is not called for panics of this thread, which the
/// caller reports. Returns whether that was so before.
pub(crate) fn quietly() -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_CAUGHT.get() || is_reported() {
                log::debug!("{info}");
            } else if ends_waiting(info) {
                ENDED_WAITING.fetch_add(1, Ordering::Relaxed);
                log::debug!("{info}");
            } else {
                previous(info);
            }
        }));
    });
    IS_CAUGHT.replace(true)
}

/// How many threads that waited for a device have panicked since the first call of [`quietly`]. An
/// answer that such a thread waited for may never come.
#[cfg_attr(
    not(any(feature = "wgpu", feature = "cuda")),
    allow(dead_code, reason = "only what computes on a GPU asks")
)]
pub(crate) fn ended_waiting() -> usize {
    ENDED_WAITING.load(Ordering::Relaxed)
}

static ENDED_WAITING: AtomicUsize = AtomicUsize::new(0);

/// Whether this is CubeCL's thread for a device, which catches every panic and reports it to the
/// call that waits for its work.
fn is_reported() -> bool {
    thread::current().name().is_some_and(|name| name.starts_with("DSD-"))
}

/// Whether a panic is one of the graphics libraries on a thread without a name: CubeCL's thread
/// that waits for a device. wgpu panics there if the device is lost, and the next use of the device
/// says so.
fn ends_waiting(info: &PanicHookInfo) -> bool {
    let is_of_graphics = || info.location().is_some_and(|it| is_of_graphics(it.file()));
    thread::current().name().is_none() && is_of_graphics()
}

/// Whether a source file belongs to a crate of the graphics stack.
fn is_of_graphics(file: &str) -> bool {
    let crates = ["wgpu", "cubecl", "gpu-allocator"];
    file.split(['/', '\\']).any(|part| crates.iter().any(|name| part.starts_with(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_panic_is_a_message_on_one_line() {
        let panicked = caught(|| panic!("no such\n  {}", "instruction")).err().unwrap();
        assert_eq!(panicked.message().unwrap(), "no such instruction");
        assert!(caught(|| panic::panic_any(7)).err().unwrap().message().is_none());
        assert_eq!(caught(|| 7).ok(), Some(7));
        assert!(!IS_CAUGHT.get());
    }

    #[test]
    fn only_panics_of_graphics_crates_are_theirs() {
        let registry = "/home/me/.cargo/registry/src/index";
        assert!(is_of_graphics(&format!("{registry}/wgpu-30.0.1/src/backend/wgpu_core.rs")));
        assert!(is_of_graphics("C:\\crates\\wgpu-core-30.0.1\\src\\device\\mod.rs"));
        assert!(!is_of_graphics("src/engine/gpu/thread.rs"));
    }
}
