//! Keeps the threads of a crew on different processors.
//!
//! Linux wakes a thread on the processor where it last ran, if it knows of no idle one, and in a
//! virtual machine it takes an idle processor for one that the host has taken away. So two threads
//! of a crew that have come to one processor stay there, and take turns, while the other one
//! is idle: a forward then takes twice as long, for seconds. Other engines pin their threads for
//! good, which hurts when another program wants the same processor. Here, a helper that finds
//! itself on the leader's processor asks once to be moved, and may be moved back afterwards.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The processor of a thread.
#[derive(Default)]
pub struct Processor(AtomicUsize);

#[cfg(target_os = "linux")]
impl Processor {
    /// Stores the processor that runs the current thread.
    pub fn set(&self) {
        self.0.store(rustix::thread::sched_getcpu(), Ordering::Relaxed);
    }

    /// Moves the current thread to another processor if it runs on this one. Returns whether it
    /// runs on another.
    pub fn leave(&self) -> bool {
        use rustix::thread::{sched_getaffinity, sched_getcpu, sched_setaffinity};
        let this = self.0.load(Ordering::Relaxed);
        if sched_getcpu() != this {
            return true;
        }
        // An error leaves the thread where it is: slower, not wrong.
        let Ok(allowed) = sched_getaffinity(None) else { return false };
        let mut others = allowed;
        others.unset(this);
        let has_left = others.count() > 0 && sched_setaffinity(None, &others).is_ok();
        has_left && sched_setaffinity(None, &allowed).is_ok()
    }
}

#[cfg(not(target_os = "linux"))]
impl Processor {
    /// Does nothing: other systems place threads well, or do not let programs ask.
    pub fn set(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Does nothing.
    pub fn leave(&self) -> bool {
        true
    }
}
