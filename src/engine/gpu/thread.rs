//! The thread that calls a GPU's driver: if the driver hangs or panics, the program can report it.
//!
//! The next batch is launched before the last one is read back, and each copy is queued right after
//! the launches of its batch, so that the GPU waits neither for the copy nor for the program.
//! If the GPU's memory is too small for a batch, the batch is divided.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::patience::COMPILING;
use super::request::{Answer, GpuJob, Reply, Request};
use super::worker::Worker;
use crate::engine::{EngineError, FeatureMap, StepValues};
use crate::panics;

/// The thread that computes on a GPU.
pub struct GpuThread {
    requests: Sender<Request>,
    /// `None` once it has panicked and its message was read.
    thread: Mutex<Option<JoinHandle<()>>>,
    patience: Duration,
    /// What [`panics::ended_waiting`] returned when it started.
    ended_before: usize,
    /// Whether it has answered yet. Before its first answer, the driver compiles every kernel.
    answered: AtomicBool,
    /// Maximum number of photos that the network computes at a time.
    max_batch: Arc<AtomicUsize>,
}

/// How long a thread that panicked may take to end, for its message to be read.
const UNWINDING: Duration = Duration::from_secs(1);
/// How long the answer of a device that is known to be lost is awaited. It gives the reason.
const LOST: Duration = Duration::from_secs(2);

impl GpuThread {
    /// Starts the thread. If it does not answer within `patience`, the driver counts as hung.
    pub fn start(job: GpuJob, patience: Duration) -> Self {
        let max_batch = Arc::new(AtomicUsize::new(usize::MAX));
        let worker_max_batch = max_batch.clone();
        let work = move |requests: Receiver<Request>| match Worker::new(job, worker_max_batch) {
            Ok(worker) => worker.work(&requests),
            Err(error) => refuse(&requests, &error),
        };
        Self::running(work, patience, max_batch)
    }

    fn running(
        work: impl FnOnce(Receiver<Request>) + Send + 'static,
        patience: Duration,
        max_batch: Arc<AtomicUsize>,
    ) -> Self {
        let (requests, received) = channel();
        let thread = thread::spawn(move || {
            // `panic_message` reports them.
            panics::quietly();
            work(received);
        });
        Self {
            requests,
            thread: Mutex::new(Some(thread)),
            patience,
            ended_before: panics::ended_waiting(),
            answered: AtomicBool::new(false),
            max_batch,
        }
    }

    /// The photos that go through the network at a time, if the memory was too small for more.
    pub fn max_batch(&self) -> Option<usize> {
        Some(self.max_batch.load(Ordering::Relaxed)).filter(|photos| *photos < usize::MAX)
    }

    /// Requests the features of photos.
    pub fn features(&self, pixels: Vec<u8>) -> Answer<Vec<f32>> {
        self.request(|reply| Request::Features(pixels, reply))
    }

    /// Requests the last feature maps of photos.
    pub fn feature_map(&self, pixels: Vec<u8>) -> Answer<FeatureMap> {
        self.request(|reply| Request::FeatureMap(pixels, reply))
    }

    /// Requests the values of each step for the first and the last of some photos.
    pub fn steps(&self, pixels: Vec<u8>) -> Answer<StepValues> {
        self.request(|reply| Request::Steps(pixels, reply))
    }

    fn request<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Answer<T> {
        let (reply, answer) = channel();
        // A thread that has ended drops the reply, and `wait` reports that.
        let _ = self.requests.send(request(reply));
        answer
    }

    /// Waits for an answer.
    ///
    /// # Errors
    /// If the device fails or does not answer.
    pub fn wait<T>(&self, answer: &Answer<T>) -> Result<T, EngineError> {
        let factor = if self.answered.load(Ordering::Relaxed) { 1 } else { COMPILING };
        let patience = factor * self.patience;
        let deadline = Instant::now() + patience;
        let mut was_lost = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match answer.recv_timeout(left.min(LOST)) {
                Ok(answer) => {
                    self.answered.store(true, Ordering::Relaxed);
                    return answer;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(EngineError::Device(self.panic_message()));
                }
                Err(RecvTimeoutError::Timeout) if was_lost => {
                    return Err(EngineError::Device("its driver lost it".into()));
                }
                Err(RecvTimeoutError::Timeout) if left <= LOST => {
                    return Err(EngineError::Hangs(patience.as_secs()));
                }
                Err(RecvTimeoutError::Timeout) => {
                    was_lost = panics::ended_waiting() != self.ended_before;
                }
            }
        }
    }

    /// Why the thread ended.
    fn panic_message(&self) -> String {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Unwinding drops the network, and a driver may hang in that too.
        let begun = Instant::now();
        let ended = |thread: &JoinHandle<()>| {
            while !thread.is_finished() && begun.elapsed() < UNWINDING {
                thread::sleep(Duration::from_millis(1));
            }
            thread.is_finished()
        };
        let message = match thread.filter(ended).map(JoinHandle::join) {
            Some(Err(payload)) => panics::message(&*payload),
            _ => None,
        };
        match message {
            Some(message) => format!("its driver or a kernel panicked: {message}"),
            None => "its driver or a kernel panicked".into(),
        }
    }
}

/// Answers every request with the reason why the worker could not start.
fn refuse(requests: &Receiver<Request>, error: &EngineError) {
    for request in requests {
        // A send fails only if nobody waits for the answer any more.
        let _ = match request {
            Request::Features(_, reply) => reply.send(Err(error.clone())).is_ok(),
            Request::FeatureMap(_, reply) => reply.send(Err(error.clone())).is_ok(),
            Request::Steps(_, reply) => reply.send(Err(error.clone())).is_ok(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Unsupported;

    fn thread_of(work: impl FnOnce(Receiver<Request>) + Send + 'static) -> GpuThread {
        let max_batch = Arc::new(AtomicUsize::new(usize::MAX));
        GpuThread::running(work, Duration::from_millis(100), max_batch)
    }

    #[test]
    fn a_driver_that_hangs_is_distinguished_from_one_that_panicked() {
        let hanging = thread_of(|requests| {
            let _kept = requests.recv();
            thread::sleep(Duration::from_secs(5));
        });
        let error = hanging.wait(&hanging.features(vec![0])).unwrap_err();
        assert!(matches!(error, EngineError::Hangs(_)), "{error}");

        let panicking = thread_of(|requests| {
            let _ = requests.recv();
            std::panic::panic_any("no such\n  instruction");
        });
        let error = panicking.wait(&panicking.features(vec![0])).unwrap_err().to_string();
        assert!(error.ends_with("a kernel panicked: no such instruction"), "{error}");
    }

    #[test]
    fn a_lost_device_that_does_not_answer_is_reported_before_the_time_is_over() {
        let silent = |requests: Receiver<Request>| {
            let _kept = requests.recv();
            thread::sleep(Duration::from_secs(30));
        };
        let max_batch = Arc::new(AtomicUsize::new(usize::MAX));
        let mut thread = GpuThread::running(silent, Duration::from_secs(60), max_batch);
        // As if a thread had panicked since.
        thread.ended_before = usize::MAX;
        let error = thread.wait(&thread.features(vec![0])).unwrap_err().to_string();
        assert!(error.ends_with("lost it"), "{error}");
    }

    #[test]
    fn a_worker_that_cannot_start_gives_its_reason_to_every_request() {
        let reason = EngineError::Unsupported(Unsupported::new("layer1", "a test"));
        let thread = thread_of(move |requests| refuse(&requests, &reason));
        for _ in 0..2 {
            let error = thread.wait(&thread.features(vec![0])).unwrap_err().to_string();
            assert_eq!(error, "the step `layer1` is not supported: a test");
        }
        assert!(thread.wait(&thread.feature_map(vec![0])).is_err());
        assert!(thread.wait(&thread.steps(vec![0])).is_err());
    }

    #[test]
    fn an_answer_that_nobody_fetched_is_not_taken_for_the_next() {
        let thread = thread_of(|requests| {
            for request in requests {
                if let Request::Features(pixels, reply) = request {
                    let _ = reply.send(Ok(pixels.into_iter().map(f32::from).collect()));
                }
            }
        });
        let _left = thread.features(vec![1]);
        let wanted = thread.features(vec![2]);
        assert_eq!(thread.wait(&wanted).unwrap(), [2.0]);
    }
}
