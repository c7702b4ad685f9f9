//! Counts kernel launches.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use cubecl::logging::{LaunchObservation, LaunchObserver};

/// Counts the launches of one thread only, because other tests launch kernels at the same time.
struct Counter {
    thread: ThreadId,
    launches: Mutex<BTreeMap<String, usize>>,
}

impl LaunchObserver for Counter {
    fn launched(&self, kernel: &'static str) {
        if thread::current().id() == self.thread {
            // `a::b::Kernel<...>` to `Kernel`.
            let name = kernel.split('<').next().unwrap_or(kernel);
            let name = name.rsplit("::").next().unwrap_or(name);
            *self.launches.lock().unwrap().entry(name.to_owned()).or_default() += 1;
        }
    }
}

/// The kernels that `work` launches on this thread, each with its number of launches.
pub fn of(work: impl FnOnce()) -> BTreeMap<String, usize> {
    let counter = Arc::new(Counter { thread: thread::current().id(), launches: Mutex::default() });
    let observation = LaunchObservation::new(counter.clone());
    work();
    drop(observation);
    let launches = counter.launches.lock().unwrap();
    launches.clone()
}
