//! The network compiled for a GPU, on a thread of its own: whatever a driver does, the rest goes on and can say so.
//!
//! Batches are answered in the order in which they were given. The next one is launched before the last one is read back,
//! so that the GPU never waits for the reading. Where the GPU's memory does not hold a batch, it is divided.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use cubecl::client::Client;
use cubecl::server::{IoError, ServerError};

use super::extract::{ExtractError, one_line};
use crate::backbone::folding::Weights;
use crate::backbone::{GpuNetwork, Plan};
use crate::kernels::preprocess::Preprocess;
use crate::kernels::{Map, Precision};
use crate::photos::Recipe;

/// What a step gives for the first and the last photo of a batch, by its name in the plan.
pub type StepValues = Vec<(String, Vec<f32>)>;

/// What the thread is asked for, of photos of bytes.
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
    jobs: Sender<Job>,
    answers: Receiver<Result<Answer, ExtractError>>,
    patience: Duration,
    /// Photos that go through the network at a time, at most.
    most: Arc<AtomicUsize>,
}

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
        Self { jobs, answers, patience, most }
    }

    /// Photos that go through the network at a time, where the memory did not hold more.
    pub fn most(&self) -> Option<usize> {
        Some(self.most.load(Ordering::Relaxed)).filter(|most| *most < usize::MAX)
    }

    /// Asks for the features of photos, `[photos, crop, crop, 3]`.
    pub fn launch(&self, pixels: Vec<u8>) {
        self.ask(Job::Features(pixels));
    }

    /// The features of the first photos that were asked for and not yet given, `[photos, features]`.
    ///
    /// # Errors
    /// Where the device fails or does not answer.
    pub fn features(&self) -> Result<Vec<f32>, ExtractError> {
        match self.answer()? {
            Answer::Features(features) => Ok(features),
            _ => unreachable!("answers come in the order of the questions"),
        }
    }

    /// The last feature maps of photos, `[photos, channels, height, width]`, and their shape. Nothing else may be asked for
    /// meanwhile.
    ///
    /// # Errors
    /// As [`features`](Self::features).
    pub fn feature_map(&self, pixels: Vec<u8>) -> Result<(Vec<f32>, [usize; 3]), ExtractError> {
        self.ask(Job::FeatureMap(pixels));
        match self.answer()? {
            Answer::FeatureMap(values, shape) => Ok((values, shape)),
            _ => unreachable!("answers come in the order of the questions"),
        }
    }

    /// What each step gives. Nothing else may be asked for meanwhile.
    ///
    /// # Errors
    /// As [`features`](Self::features).
    pub fn steps(&self, pixels: Vec<u8>) -> Result<StepValues, ExtractError> {
        self.ask(Job::Steps(pixels));
        match self.answer()? {
            Answer::Steps(steps) => Ok(steps),
            _ => unreachable!("answers come in the order of the questions"),
        }
    }

    fn ask(&self, job: Job) {
        // A thread that has ended gives no answer, and that is told there.
        let _ = self.jobs.send(job);
    }

    fn answer(&self) -> Result<Answer, ExtractError> {
        self.answers.recv_timeout(self.patience).unwrap_or_else(|error| match error {
            RecvTimeoutError::Timeout => Err(ExtractError::Hangs(self.patience.as_secs())),
            RecvTimeoutError::Disconnected => {
                Err(ExtractError::Device("its driver or a kernel panicked".into()))
            }
        })
    }
}

struct Worker {
    network: GpuNetwork,
    preprocess: Preprocess,
    crop: usize,
    most: Arc<AtomicUsize>,
}

/// A batch; its pixels, should it have to be launched again.
struct Launched {
    pixels: Vec<u8>,
    /// Nothing where the memory is known not to hold so many photos at a time.
    features: Option<Map>,
}

impl Worker {
    fn new(ingredients: Ingredients, most: Arc<AtomicUsize>) -> Option<Self> {
        let Ingredients { client, plan, weights, recipe, precision } = ingredients;
        let crop = recipe.crop as usize;
        let network = GpuNetwork::compile(&client, &plan, [crop; 2], precision, |convolution| {
            convolution.folded(&weights)
        })?;
        let preprocess = network.preprocess(&recipe.normalised());
        Some(Self { network, preprocess, crop, most })
    }

    fn work(&self, asked: &Receiver<Job>, answers: &Sender<Result<Answer, ExtractError>>) {
        let mut launched: VecDeque<Launched> = VecDeque::new();
        let mut ended = false;
        loop {
            let job = match launched.is_empty() {
                true => asked.recv().ok(),
                false if launched.len() < 2 && !ended => match asked.try_recv() {
                    Ok(job) => Some(job),
                    Err(TryRecvError::Empty) => None,
                    Err(TryRecvError::Disconnected) => {
                        ended = true;
                        None
                    }
                },
                false => None,
            };
            let answer = match job {
                Some(Job::Features(pixels)) => {
                    launched.push_back(self.launch(pixels));
                    continue;
                }
                Some(Job::FeatureMap(pixels)) => self.feature_map(&pixels),
                Some(Job::Steps(pixels)) => self.steps(&pixels),
                None => match launched.pop_front() {
                    Some(oldest) => self.read(oldest, &mut launched),
                    None => return,
                },
            };
            if answers.send(answer).is_err() {
                return;
            }
        }
    }

    fn upload(&self, pixels: &[u8]) -> Map {
        self.preprocess.run(self.network.client(), pixels, [self.crop; 2])
    }

    /// Bytes of a photo.
    fn photo(&self) -> usize {
        3 * self.crop * self.crop
    }

    fn launch(&self, pixels: Vec<u8>) -> Launched {
        let fits = pixels.len() / self.photo() <= self.most.load(Ordering::Relaxed);
        let features = fits.then(|| self.network.features(self.upload(&pixels)));
        Launched { pixels, features }
    }

    fn read(
        &self,
        oldest: Launched,
        others: &mut VecDeque<Launched>,
    ) -> Result<Answer, ExtractError> {
        let Launched { pixels, features } = oldest;
        let photos = pixels.len() / self.photo();
        let mut most = self.most.load(Ordering::Relaxed);
        if let Some(features) = features {
            let whole = self.values(&features);
            if !matches!(whole, Err(ExtractError::OutOfMemory)) || photos == 1 {
                return whole.map(Answer::Features);
            }
            most = photos / 2;
        }
        // Nothing else may hold memory now.
        let waiting: Vec<Vec<u8>> = others.drain(..).map(|other| other.pixels).collect();
        let values = in_parts(photos, &mut most, |part| {
            let _ = self.network.client().memory_cleanup();
            let pixels = &pixels[part.start * self.photo()..part.end * self.photo()];
            self.values(&self.network.features(self.upload(pixels)))
        });
        self.most.store(most, Ordering::Relaxed);
        others.extend(waiting.into_iter().map(|pixels| self.launch(pixels)));
        values.map(Answer::Features)
    }

    fn feature_map(&self, pixels: &[u8]) -> Result<Answer, ExtractError> {
        let map = self.network.feature_map(self.upload(pixels), |_, _| ());
        Ok(Answer::FeatureMap(self.values(&map)?, map.shape()))
    }

    fn steps(&self, pixels: &[u8]) -> Result<Answer, ExtractError> {
        let mut steps = Vec::new();
        let mut failed = None;
        self.network.features_observed(self.upload(pixels), |name, map| match self.values(map) {
            Ok(mut values) => {
                let photo = values.len() / map.photos;
                let last = values.split_off(values.len() - photo);
                values.truncate(photo);
                values.extend(last);
                steps.push((name.to_owned(), values));
            }
            Err(error) => failed = Some(error),
        });
        failed.map_or(Ok(Answer::Steps(steps)), Err)
    }

    fn values(&self, map: &Map) -> Result<Vec<f32>, ExtractError> {
        self.network.read(map).map_err(|error| match is_out_of_memory(&error) {
            true => ExtractError::OutOfMemory,
            false => ExtractError::Device(first_line(&error)),
        })
    }
}

/// What `compute` gives for `count` photos, at most `most` at a time: half as many wherever the memory does not hold them.
fn in_parts(
    count: usize,
    most: &mut usize,
    mut compute: impl FnMut(Range<usize>) -> Result<Vec<f32>, ExtractError>,
) -> Result<Vec<f32>, ExtractError> {
    let mut values = Vec::new();
    let mut done = 0;
    while done < count {
        let part = done..count.min(done + *most);
        match compute(part.clone()) {
            Ok(part) => values.extend(part),
            Err(ExtractError::OutOfMemory) if part.len() > 1 => {
                *most = part.len() / 2;
                continue;
            }
            Err(error) => return Err(error),
        }
        done = part.end;
    }
    Ok(values)
}

fn is_out_of_memory(error: &ServerError) -> bool {
    match error {
        ServerError::Io(IoError::OutOfMemory { .. } | IoError::BufferTooBig { .. }) => true,
        ServerError::Unwritten { root, .. } => is_out_of_memory(root),
        ServerError::Several { errors, .. } => errors.iter().any(is_out_of_memory),
        _ => false,
    }
}

/// What an error says, without the traces that follow.
fn first_line(error: &ServerError) -> String {
    let text = error.to_string();
    let told = text.split("Backtrace").next().unwrap_or(&text).split("\n   0:").next();
    one_line(&told.unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_the_memory_does_not_hold_is_halved_until_it_does() {
        let mut most = 32;
        let mut parts = Vec::new();
        let values = in_parts(32, &mut most, |part| match part.len() {
            9.. => Err(ExtractError::OutOfMemory),
            _ => {
                parts.push(part.clone());
                Ok(part.map(|photo| photo as f32).collect())
            }
        });
        assert_eq!(values.unwrap(), (0..32).map(|photo| photo as f32).collect::<Vec<_>>());
        assert_eq!((most, parts.len()), (8, 4));
    }

    #[test]
    fn memory_that_does_not_hold_one_photo_is_an_error() {
        let result = in_parts(3, &mut 3, |_| Err(ExtractError::OutOfMemory));
        assert!(matches!(result, Err(ExtractError::OutOfMemory)));
    }

    #[test]
    fn a_device_that_does_not_answer_is_told_apart_from_one_that_panicked() {
        let thread = |hangs: bool| {
            let (jobs, asked) = channel();
            let (answer, answers) = channel::<Result<Answer, ExtractError>>();
            thread::spawn(move || {
                let _answer = hangs.then_some(answer);
                let _: Result<Job, _> = asked.recv();
                thread::sleep(Duration::from_secs(if hangs { 5 } else { 0 }));
            });
            let patience = Duration::from_millis(200);
            GpuThread { jobs, answers, patience, most: Arc::new(AtomicUsize::new(usize::MAX)) }
        };
        for hangs in [true, false] {
            let thread = thread(hangs);
            thread.launch(vec![0]);
            let error = thread.features().unwrap_err();
            assert_eq!(matches!(error, ExtractError::Hangs(_)), hangs, "{error}");
        }
    }
}
