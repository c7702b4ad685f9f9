//! The threads that share the steps of one forward.
//!
//! A forward has some fifty steps of 10 to 200 µs. A thread pool's fork and join costs about as
//! much as such a step, and joins wait for threads that the operating system has taken away. So
//! the threads of the pool are asked once a forward, and form a *crew* with the thread that calls.
//!
//! - A *phase* is a closure and a number of pieces. The calling thread publishes it, every awake
//!   thread of the crew claims pieces until none is left, and the calling thread, which claims
//!   pieces too, waits for those that others still work on. It never waits for a thread that
//!   has not claimed a piece.
//! - Between phases the other threads, the *helpers*, spin, since the next phase usually comes
//!   within a microsecond. A thread that spins in vain takes time from the one that it waits for
//!   (if they share a core) or from other programs, and the scheduler takes it away when it is
//!   needed. So after [`SPIN`] it sleeps until it is woken.
//! - The helpers are jobs of the current rayon pool: `RAYON_NUM_THREADS` and
//!   `ThreadPool::install` keep their meaning, and a pool that is busy with other work just
//!   provides fewer helpers. Nobody waits for these jobs: one that starts after the forward
//!   has ended finds the crew closed and returns.
//! - A piece that itself starts phases runs them alone, and so does a crew of one.
//!
//! # Why no piece is run twice, and no closure after its phase
//!
//! `Crew::unclaimed` holds the number of pieces that may still be claimed. It is the only word
//! that helpers watch, and they claim a piece by decreasing it from a positive value. The closure
//! is read only after that.
//!
//! 1. The calling thread writes the closure and `unfinished = pieces`, then stores
//!    `unclaimed = pieces` with `Release`. A claim is a compare-exchange with `Acquire` that reads
//!    this store, or another claim in its release sequence. So whoever claimed a piece sees the
//!    closure of this phase, and all that the calling thread did and saw before.
//! 2. Each value from `pieces` to 1 is claimed once, because a compare-exchange is atomic. That
//!    value names the piece.
//! 3. A thread decreases `unfinished` with `Release` after its piece. The calling thread leaves
//!    the phase when it reads 0 with `Acquire`. Then every claimed piece is finished, its writes
//!    are visible, and `unclaimed` is 0: nobody can claim, so nobody reads the closure, until the
//!    next phase is published. This is why the closure may borrow from the calling thread's stack.
//! 4. A late helper (one that was taken away between any two instructions) holds no claim. When
//!    it comes back, its compare-exchange fails, or claims a piece of the *current* phase,
//!    whichever that is; it kept nothing of an older one.
//! 5. A panic in a piece is caught, stored, and raised again on the calling thread when the phase
//!    is complete: no phase is left early.
//!
//! Sleeping follows the usual pattern for a condition variable whose condition is an atomic: the
//! sleeper announces itself, then looks again; the waker changes the condition, then looks for
//! sleepers. With a `SeqCst` fence between the two actions on either side, one of them sees the
//! other.

use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::hint;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::placement::Processor;

/// How long a thread spins before it sleeps. Longer than the longest pieces, so that on an idle
/// machine threads do not sleep within a forward; short beside the milliseconds for which a
/// scheduler takes a thread away. From 300 to 600 µs is best for one photo, both on an idle machine
/// and on a busy one (benches/RESULTS.md).
const SPIN: Duration = Duration::from_micros(300);

/// Value of `Crew::unclaimed` after the last phase.
const CLOSED: usize = usize::MAX;

/// The work of a phase: what to do for the piece with the given index.
type Work<'a> = dyn Fn(usize) + Sync + 'a;

/// The threads that phases started by the current thread run on.
enum Threads {
    /// The thread is not in a forward: each phase gets a crew of its own.
    Unassembled,
    /// The thread leads a crew.
    Crew(Arc<Crew>),
    /// Only the current thread: it works on a piece, or there is no other thread.
    Alone,
}

thread_local! {
    static THREADS: Cell<Threads> = const { Cell::new(Threads::Unassembled) };
}

/// Runs `forward`, whose phases share one crew.
pub fn assembled<R>(forward: impl FnOnce() -> R) -> R {
    /// Ends the crew, also if the forward panics.
    struct Disband;
    impl Drop for Disband {
        fn drop(&mut self) {
            if let Threads::Crew(crew) = THREADS.replace(Threads::Unassembled) {
                crew.close();
            }
        }
    }
    match THREADS.replace(Threads::Alone) {
        Threads::Unassembled => {}
        threads => {
            // A crew or a piece has begun already.
            THREADS.set(threads);
            return forward();
        }
    }
    let _disband = Disband;
    let helpers = rayon::current_num_threads() - 1;
    if helpers > 0 {
        let crew = Arc::new(Crew::default());
        crew.leader_processor.set();
        for _ in 0..helpers {
            let crew = Arc::clone(&crew);
            rayon::spawn(move || crew.help());
        }
        THREADS.set(Threads::Crew(crew));
    }
    forward()
}

/// Runs a phase: calls `work` once with each index below `pieces`, on the threads of the current
/// crew, and returns when all calls have returned.
pub fn run(pieces: usize, work: &Work) {
    if pieces <= 1 {
        return (0..pieces).for_each(work);
    }
    match THREADS.replace(Threads::Alone) {
        Threads::Alone => (0..pieces).for_each(work),
        Threads::Crew(crew) => {
            crew.phase(pieces, work);
            let panic = locked(&crew.panic).take();
            THREADS.set(Threads::Crew(crew));
            if let Some(panic) = panic {
                panic::resume_unwind(panic);
            }
        }
        Threads::Unassembled => {
            THREADS.set(Threads::Unassembled);
            assembled(|| run(pieces, work));
        }
    }
}

/// What the threads of a forward share.
#[derive(Default)]
struct Crew {
    /// Pieces of the current phase that may be claimed, or [`CLOSED`].
    unclaimed: CacheLine<AtomicUsize>,
    /// Pieces of the current phase that are not finished.
    unfinished: CacheLine<AtomicUsize>,
    /// The current phase. Written by the leader while no piece is unfinished, and read by threads
    /// that hold a claim.
    phase: UnsafeCell<Option<Phase>>,
    /// What a piece of the current phase panicked with.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// Helpers that sleep until there is work.
    helpers: Sleepers,
    /// The leader, if it sleeps until the phase is finished.
    leader: Sleepers,
    /// Where the leader was when it last woke helpers.
    leader_processor: Processor,
    /// Whether a helper has to share the leader's processor. Then spinning only keeps the thread
    /// that is waited for from running.
    is_crowded: AtomicBool,
}

/// A phase. The closure lives until the phase is complete.
#[derive(Clone, Copy)]
struct Phase {
    work: *const Work<'static>,
    pieces: usize,
}

// SAFETY: `phase` is the only part that is not `Send` and `Sync` by itself. The closure that it
// points to may be called from any thread (it is `Sync`), and who accesses it when is explained at
// the top of this file.
unsafe impl Send for Crew {}
// SAFETY: as above.
unsafe impl Sync for Crew {}

impl Crew {
    /// Runs a phase as the leader.
    fn phase(&self, pieces: usize, work: &Work) {
        // SAFETY: only the lifetime changes. The closure is called by threads that hold a claim,
        // and this function returns when every claim is finished (points 1 to 3 above); it cannot
        // panic before that.
        let work = unsafe { std::mem::transmute::<*const Work<'_>, *const Work<'static>>(work) };
        // SAFETY: no piece of an earlier phase is unfinished, so no other thread reads this.
        unsafe { *self.phase.get() = Some(Phase { work, pieces }) };
        self.unfinished.0.store(pieces, Ordering::Relaxed);
        self.unclaimed.0.store(pieces, Ordering::Release);
        self.helpers.wake(|| self.leader_processor.set());
        while self.run_piece() {}
        let is_finished = || self.unfinished.0.load(Ordering::Acquire) == 0;
        if !self.spun(is_finished) {
            self.leader.sleep_until(is_finished);
        }
    }

    /// Works on phases as a helper, until the crew is closed.
    fn help(&self) {
        let threads = THREADS.replace(Threads::Alone);
        let has_changed = || self.unclaimed.0.load(Ordering::Relaxed) != 0;
        self.part_from_leader();
        while self.unclaimed.0.load(Ordering::Relaxed) != CLOSED {
            if !self.run_piece() && !self.spun(has_changed) {
                self.helpers.sleep_until(has_changed);
                self.part_from_leader();
            }
        }
        THREADS.set(threads);
    }

    /// Moves this helper off the leader's processor.
    fn part_from_leader(&self) {
        if !self.leader_processor.leave() {
            self.is_crowded.store(true, Ordering::Relaxed);
        }
    }

    /// Spins until `condition` holds. Returns whether it does.
    fn spun(&self, condition: impl Fn() -> bool) -> bool {
        // Reading the clock takes as long as some rounds, so it is read rarely.
        const ROUNDS: usize = 64;
        let mut start = None;
        while !self.is_crowded.load(Ordering::Relaxed) {
            for _ in 0..ROUNDS {
                if condition() {
                    return true;
                }
                hint::spin_loop();
            }
            if start.get_or_insert_with(Instant::now).elapsed() > SPIN {
                break;
            }
        }
        condition()
    }

    /// Sends the helpers away.
    fn close(&self) {
        self.unclaimed.0.store(CLOSED, Ordering::Release);
        self.helpers.wake(|| {});
    }

    /// Claims a piece and runs it, if there is one.
    fn run_piece(&self) -> bool {
        let claim = |unclaimed| (1..CLOSED).contains(&unclaimed).then(|| unclaimed - 1);
        let unclaimed = &self.unclaimed.0;
        let Ok(claimed) = unclaimed.fetch_update(Ordering::Acquire, Ordering::Relaxed, claim)
        else {
            return false;
        };
        // SAFETY: this thread holds a claim, so the leader has published the phase and does not
        // change it until the piece is finished.
        if let Some(Phase { work, pieces }) = unsafe { *self.phase.get() } {
            // SAFETY: as above; so the closure is alive.
            let work = unsafe { &*work };
            if let Err(panic) = panic::catch_unwind(AssertUnwindSafe(|| work(pieces - claimed))) {
                *locked(&self.panic) = Some(panic);
            }
        }
        if self.unfinished.0.fetch_sub(1, Ordering::Release) == 1 {
            self.leader.wake(|| {});
        }
        true
    }
}

/// Threads that sleep until a condition holds.
#[derive(Default)]
struct Sleepers {
    /// How many. Changed while the mutex is locked.
    count: AtomicUsize,
    mutex: Mutex<()>,
    condvar: Condvar,
}

impl Sleepers {
    /// Sleeps until `condition` holds. Who makes it hold calls [`wake`](Self::wake) afterwards.
    fn sleep_until(&self, condition: impl Fn() -> bool) {
        let mut guard = locked(&self.mutex);
        self.count.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        while !condition() {
            guard = self.condvar.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.count.fetch_sub(1, Ordering::Relaxed);
    }

    /// Wakes all sleepers, if there are any, after `prepare`.
    fn wake(&self, prepare: impl FnOnce()) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::Relaxed) > 0 {
            prepare();
            drop(locked(&self.mutex));
            self.condvar.notify_all();
        }
    }
}

/// A value that shares its cache line, and the next one, which processors prefetch, with no other.
#[derive(Default)]
#[repr(align(128))]
struct CacheLine<T>(T);

/// Locks `mutex`. Panics are caught before they could poison it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
