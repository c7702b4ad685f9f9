//! The network compiled for a GPU, on a thread of its own: whatever a driver does, the rest goes on and can say so.
//!
//! The next batch is launched before the last one is read back, and each is copied back behind its own launches, so that the
//! GPU waits neither for the copy nor for what is done with it. Where the GPU's memory does not hold a batch, it is divided.

mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use cubecl::client::Client;

use super::extract::ExtractError;
use crate::backbone::Plan;
use crate::backbone::folding::Weights;
use crate::photos::Recipe;
use crate::precision::Precision;
use worker::Worker;

/// What a step gives for the first and the last photo of a batch, by its name in the plan.
pub type StepValues = Vec<(String, Vec<f32>)>;

/// What the thread is asked, of photos of bytes.
enum Job {
    Features(Vec<u8>),
    FeatureMap(Vec<u8>),
    Steps(Vec<u8>),
}

/// What it answers.
enum Answer {
    Features(Vec<f32>),
    FeatureMap(Vec<f32>, [usize; 3]),
    Steps(StepValues),
}

/// The number of a question, which its answer bears too: whoever no longer wants an answer leaves it, and the next to ask
/// passes over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

type Answered = (Ticket, Result<Answer, ExtractError>);

/// What a network is made of.
pub struct Ingredients {
    /// The device.
    pub client: Client,
    /// What the backbone computes.
    pub plan: Plan,
    /// Its weights.
    pub weights: Weights,
    /// How photos are made ready.
    pub recipe: Recipe,
    /// How values are stored.
    pub precision: Precision,
}

/// The thread that computes on a GPU.
pub struct GpuThread {
    jobs: Sender<(Ticket, Job)>,
    answers: Receiver<Answered>,
    next: AtomicU64,
    patience: Duration,
    /// Whether it ever answered: before it does, the driver compiles every kernel.
    answered: AtomicBool,
    /// Photos that go through the network at a time, at most.
    most: Arc<AtomicUsize>,
}

/// How much longer the first answer may take, while every kernel is compiled.
const COMPILING: u32 = 5;

impl GpuThread {
    /// Starts it. Where it does not answer for as long as `patience` lasts, the driver is taken to hang.
    pub fn start(ingredients: Ingredients, patience: Duration) -> Self {
        let (jobs, asked) = channel();
        let (answer, answers) = channel();
        let most = Arc::new(AtomicUsize::new(usize::MAX));
        let work_most = most.clone();
        thread::spawn(move || {
            if let Some(worker) = Worker::new(ingredients, work_most) {
                worker.work(&asked, &answer);
            }
        });
        let answered = AtomicBool::new(false);
        Self { jobs, answers, next: AtomicU64::new(0), patience, answered, most }
    }

    /// Photos that go through the network at a time, where the memory did not hold more.
    pub fn most(&self) -> Option<usize> {
        Some(self.most.load(Ordering::Relaxed)).filter(|most| *most < usize::MAX)
    }

    /// Asks for the features of photos, `[photos, crop, crop, 3]`.
    pub fn launch(&self, pixels: Vec<u8>) -> Ticket {
        self.ask(Job::Features(pixels))
    }

    /// The features that were asked for, `[photos, features]`. Answers to earlier questions are passed over.
    ///
    /// # Errors
    /// Where the device fails or does not answer.
    pub fn features(&self, ticket: Ticket) -> Result<Vec<f32>, ExtractError> {
        match self.answer(ticket)? {
            Answer::Features(features) => Ok(features),
            _ => unreachable!("an answer of the sort of its question"),
        }
    }

    /// The last feature maps of photos, `[photos, channels, height, width]`, and their shape. Answers to earlier questions
    /// are passed over.
    ///
    /// # Errors
    /// As [`features`](Self::features).
    pub fn feature_map(&self, pixels: Vec<u8>) -> Result<(Vec<f32>, [usize; 3]), ExtractError> {
        match self.answer(self.ask(Job::FeatureMap(pixels)))? {
            Answer::FeatureMap(values, shape) => Ok((values, shape)),
            _ => unreachable!("an answer of the sort of its question"),
        }
    }

    /// What each step gives. Answers to earlier questions are passed over.
    ///
    /// # Errors
    /// As [`features`](Self::features).
    pub fn steps(&self, pixels: Vec<u8>) -> Result<StepValues, ExtractError> {
        match self.answer(self.ask(Job::Steps(pixels)))? {
            Answer::Steps(steps) => Ok(steps),
            _ => unreachable!("an answer of the sort of its question"),
        }
    }

    fn ask(&self, job: Job) -> Ticket {
        let ticket = Ticket(self.next.fetch_add(1, Ordering::Relaxed));
        // A thread that has ended gives no answer, and that is told there.
        let _ = self.jobs.send((ticket, job));
        ticket
    }

    fn answer(&self, ticket: Ticket) -> Result<Answer, ExtractError> {
        loop {
            let factor = if self.answered.load(Ordering::Relaxed) { 1 } else { COMPILING };
            let patience = factor * self.patience;
            match self.answers.recv_timeout(patience) {
                Ok((answered, answer)) => {
                    self.answered.store(true, Ordering::Relaxed);
                    if answered == ticket {
                        return answer;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(ExtractError::Hangs(patience.as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(ExtractError::Device("its driver or a kernel panicked".into()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread_of(jobs: Sender<(Ticket, Job)>, answers: Receiver<Answered>) -> GpuThread {
        GpuThread {
            jobs,
            answers,
            next: AtomicU64::new(0),
            patience: Duration::from_millis(100),
            answered: AtomicBool::new(false),
            most: Arc::new(AtomicUsize::new(usize::MAX)),
        }
    }

    #[test]
    fn a_device_that_does_not_answer_is_told_apart_from_one_that_panicked() {
        let thread = |hangs: bool| {
            let (jobs, asked) = channel::<(Ticket, Job)>();
            let (answer, answers) = channel::<Answered>();
            thread::spawn(move || {
                let _answer = hangs.then_some(answer);
                let _ = asked.recv();
                thread::sleep(Duration::from_secs(if hangs { 5 } else { 0 }));
            });
            thread_of(jobs, answers)
        };
        for hangs in [true, false] {
            let thread = thread(hangs);
            let error = thread.features(thread.launch(vec![0])).unwrap_err();
            assert_eq!(matches!(error, ExtractError::Hangs(_)), hangs, "{error}");
        }
    }

    #[test]
    fn an_answer_that_nobody_fetched_is_not_taken_for_the_next() {
        let (jobs, asked) = channel::<(Ticket, Job)>();
        let (answer, answers) = channel::<Answered>();
        thread::spawn(move || {
            while let Ok((ticket, job)) = asked.recv() {
                let Job::Features(pixels) = job else {
                    unreachable!("only features are asked for")
                };
                let features = pixels.into_iter().map(f32::from).collect();
                answer.send((ticket, Ok(Answer::Features(features)))).unwrap();
            }
        });
        let thread = thread_of(jobs, answers);
        let _left = thread.launch(vec![1]);
        let wanted = thread.launch(vec![2]);
        assert_eq!(thread.features(wanted).unwrap(), [2.0]);
    }
}
