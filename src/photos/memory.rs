//! The memory that decoding photos may take, shared by all threads of the process.
//!
//! A file of a few bytes can declare a photo of gigabytes, and every core decodes a photo at the
//! same time. So each photo takes a [`Share`] of one budget before it is read, and returns it when
//! its pixels are dropped. A photo waits while the others hold too much, and a photo that needs
//! more than the whole budget is an error.
//!
//! A thread never waits for memory while it holds some, and never waits for another photo while it
//! holds memory, so one photo can always go on.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The budget of the process.
static BUDGET: Budget = Budget::new(DEFAULT_DECODE_MEMORY);

/// The default of [`set_decode_memory`], in bytes: 1 GiB, a JPEG of 300 megapixels.
pub const DEFAULT_DECODE_MEMORY: u64 = 1 << 30;

/// Sets the bytes that all photos together may take while they are decoded, by default
/// [`DEFAULT_DECODE_MEMORY`]. A photo that needs more than this is not decoded.
pub fn set_decode_memory(bytes: u64) {
    BUDGET.lock().limit = bytes;
    BUDGET.changed.notify_all();
}

/// Takes `bytes` of the process's budget, and waits until they are free.
///
/// # Errors
/// If the whole budget is smaller.
pub(super) fn take(bytes: u64) -> Result<Share, Exceeded> {
    BUDGET.take(bytes)
}

/// Bytes that all photos together may take.
pub(super) fn limit() -> u64 {
    BUDGET.lock().limit
}

/// Checks an allocation of a decoder against the process's budget.
///
/// # Errors
/// If the whole budget is smaller.
pub(super) fn check(bytes: u64) -> Result<(), Exceeded> {
    let limit = limit();
    if bytes > limit { Err(Exceeded { needed: bytes, limit }) } else { Ok(()) }
}

/// More memory is needed than the whole budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    /// Bytes that the photo needs.
    pub needed: u64,
    /// Bytes of the budget.
    pub limit: u64,
}

/// A number of bytes that threads take from and return to.
#[derive(Debug)]
struct Budget {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    limit: u64,
    taken: u64,
}

impl State {
    fn has(&self, bytes: u64) -> bool {
        self.taken.saturating_add(bytes) <= self.limit
    }
}

impl Budget {
    const fn new(limit: u64) -> Self {
        Self { state: Mutex::new(State { limit, taken: 0 }), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&'static self, bytes: u64) -> Result<Share, Exceeded> {
        let mut state = self.lock();
        loop {
            if bytes > state.limit {
                return Err(Exceeded { needed: bytes, limit: state.limit });
            }
            if state.has(bytes) {
                state.taken += bytes;
                return Ok(Share { budget: self, bytes });
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Bytes taken from a budget, returned when this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: &'static Budget,
    bytes: u64,
}

impl Share {
    /// Takes more, up to `bytes` in all, if they are free now. Does not wait: two threads that
    /// hold memory and wait for more would wait for each other.
    pub(super) fn try_grow(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let mut state = self.budget.lock();
        let has = state.has(more);
        if has {
            state.taken += more;
            self.bytes += more;
        }
        has
    }

    /// Returns all but `bytes`.
    pub(super) fn shrink(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.bytes -= less;
        self.budget.lock().taken -= less;
        self.budget.changed.notify_all();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;

    fn budget(limit: u64) -> &'static Budget {
        Box::leak(Box::new(Budget::new(limit)))
    }

    #[test]
    fn threads_never_hold_more_than_the_budget_and_all_of_them_finish() {
        let budget = budget(100);
        let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for thread in 0..8_u64 {
                let (held, most) = (&held, &most);
                scope.spawn(move || {
                    for round in 0..200 {
                        let bytes = 1 + (thread * 37 + round * 13) % 100;
                        let share = budget.take(bytes).unwrap();
                        let now = held.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        held.fetch_sub(bytes, Ordering::SeqCst);
                        drop(share);
                    }
                });
            }
        });
        assert!((60..=100).contains(&most.into_inner()));
        assert_eq!(budget.lock().taken, 0);
    }

    #[test]
    fn a_photo_that_needs_more_than_everything_is_refused_without_waiting() {
        let budget = budget(100);
        let share = budget.take(100).unwrap();
        assert_eq!(budget.take(101).unwrap_err(), Exceeded { needed: 101, limit: 100 });
        drop(share);
        assert!(budget.take(100).is_ok());
    }

    #[test]
    fn a_share_grows_only_into_free_memory_and_returns_what_it_no_longer_needs() {
        let budget = budget(100);
        let (mut one, other) = (budget.take(30).unwrap(), budget.take(30).unwrap());
        assert!(!one.try_grow(80));
        assert!(one.try_grow(70));
        drop(other);
        one.shrink(10);
        assert_eq!(budget.lock().taken, 10);
        assert!(one.try_grow(100));
    }
}
