//! The work of the GPU thread.

use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;

use super::failure::{failed, reported};
use super::network::GpuNetwork;
use super::request::{GpuJob, Reply, Request};
use crate::engine::{EngineError, FeatureMap, StepValues};
use crate::kernels::preprocess::Preprocess;
use crate::kernels::{DeviceTensor, DriverReport, GpuClient, Reading};

/// The compiled network and its input.
pub struct Worker {
    network: GpuNetwork,
    preprocess: Preprocess,
    crop: usize,
    /// The photos that the memory holds, if it did not hold a batch.
    memory_batch: Arc<AtomicUsize>,
}

/// A batch, with its pixels in case it has to be launched again.
struct Launched<'a> {
    reply: Reply<Vec<f32>>,
    pixels: Vec<u8>,
    /// The features being read back. `None` if the memory is known to be too small for the batch.
    features: Option<Reading<'a>>,
}

impl Worker {
    /// Compiles the network, and waits until there is memory for its weights.
    ///
    /// # Errors
    /// If the kernels do not run the network, the adapter's limits do not allow them, or the device
    /// has no memory for the weights.
    pub fn new(job: GpuJob, memory_batch: Arc<AtomicUsize>) -> Result<Self, EngineError> {
        let GpuJob { client, network, preprocessing, precision, hardware } = job;
        let crop = preprocessing.crop as usize;
        let network = GpuNetwork::compile(&client, &network, [crop; 2], precision, hardware)?;
        let preprocess = network.preprocess(&preprocessing.normalised());
        // A buffer of weights that could not be allocated fails each batch. Halving does not help.
        // This waits for the allocations alone: CubeCL's `sync` waits for ever if the device is
        // lost.
        let uploaded = guarded(&client, || client.flush())?;
        uploaded.map_err(|error| failed(&client, &error))?;
        match client.reports().take() {
            Some(report) => Err(reported(report)),
            None => Ok(Self { network, preprocess, crop, memory_batch }),
        }
    }

    /// Answers requests until the sender is dropped.
    pub fn work(&self, requests: &Receiver<Request>) {
        let mut launched: VecDeque<Launched> = VecDeque::new();
        loop {
            let request = match launched.len() {
                0 => match requests.recv() {
                    Ok(request) => Some(request),
                    Err(_) => return,
                },
                1 => requests.try_recv().ok(),
                _ => None,
            };
            // A send fails only if nobody waits for the answer any more.
            match request {
                Some(Request::Features(pixels, reply)) => {
                    launched.push_back(self.launch(reply, pixels));
                }
                Some(Request::FeatureMap(pixels, reply)) => {
                    let _ = reply.send(self.feature_map(&pixels));
                }
                Some(Request::Steps(pixels, reply)) => {
                    let _ = reply.send(self.steps(&pixels));
                }
                None => {
                    if let Some(oldest) = launched.pop_front() {
                        let reply = oldest.reply.clone();
                        let _ = reply.send(self.read(oldest, &mut launched));
                    }
                }
            }
        }
    }

    fn upload(&self, pixels: &[u8]) -> DeviceTensor {
        self.preprocess.run(self.network.client(), pixels, [self.crop; 2])
    }

    /// Bytes of a photo.
    fn photo(&self) -> usize {
        3 * self.crop * self.crop
    }

    /// The most photos that go through the network at a time: the adapter's limits allow no more,
    /// and its memory holds no more as far as is known.
    fn max_batch(&self) -> usize {
        self.network.max_batch().min(self.memory_batch.load(Ordering::Relaxed))
    }

    fn launch(&self, reply: Reply<Vec<f32>>, pixels: Vec<u8>) -> Launched<'_> {
        let fits = pixels.len() / self.photo() <= self.max_batch();
        let features = if fits { self.start(&pixels).ok() } else { None };
        Launched { reply, pixels, features }
    }

    /// Launches every kernel for some photos, and requests their features.
    ///
    /// # Errors
    /// If the memory is known to be too small; other errors come from reading the features.
    fn start(&self, pixels: &[u8]) -> Result<Reading<'_>, EngineError> {
        guarded(self.client(), || {
            self.network.read_later(&self.network.features(self.upload(pixels)))
        })
    }

    fn client(&self) -> &GpuClient {
        self.network.client()
    }

    fn read<'a>(
        &'a self,
        oldest: Launched<'a>,
        others: &mut VecDeque<Launched<'a>>,
    ) -> Result<Vec<f32>, EngineError> {
        let Launched { pixels, features, .. } = oldest;
        let photos = pixels.len() / self.photo();
        let allowed = self.max_batch();
        let mut max_batch = allowed;
        if let Some(features) = features {
            let whole = self.waited(features);
            if !matches!(whole, Err(EngineError::OutOfMemory)) || photos == 1 {
                return whole;
            }
            max_batch = photos / 2;
        }
        // No other batch may hold memory now. A copy that is dropped before it is complete would
        // leave CubeCL's staging buffer mapped, and the next copy into it would fail.
        let mut waiting = Vec::new();
        for Launched { reply, pixels, features } in others.drain(..) {
            match features.map(|features| self.waited(features)) {
                Some(Ok(values)) => drop(reply.send(Ok(values))),
                _ => waiting.push((reply, pixels)),
            }
        }
        let values = in_parts(photos, &mut max_batch, |part| {
            let _ = guarded(self.client(), || self.client().memory_cleanup());
            // What failed before does not explain what fails from now on.
            self.client().reports().take();
            let pixels = &pixels[part.start * self.photo()..part.end * self.photo()];
            self.waited(self.start(pixels)?)
        });
        if max_batch < allowed {
            self.memory_batch.store(max_batch, Ordering::Relaxed);
        }
        others.extend(waiting.into_iter().map(|(reply, pixels)| self.launch(reply, pixels)));
        values
    }

    fn feature_map(&self, pixels: &[u8]) -> Result<FeatureMap, EngineError> {
        let mut maps: Option<FeatureMap> = None;
        for part in pixels.chunks(self.max_batch() * self.photo()) {
            let map =
                guarded(self.client(), || self.network.feature_map(self.upload(part), |_, _| ()))?;
            let [channels, height, width] = map.shape();
            let values = self.values(&map)?;
            match &mut maps {
                Some(maps) => maps.values.extend(values),
                None => maps = Some(FeatureMap { channels, height, width, values }),
            }
        }
        maps.ok_or_else(|| EngineError::Device("it was asked for the map of no photo".into()))
    }

    /// Each step's values for the first and the last of some photos, which are the first and the
    /// last of a batch.
    fn steps(&self, pixels: &[u8]) -> Result<StepValues, EngineError> {
        let most = self.max_batch() * self.photo();
        if pixels.len() <= most {
            return self.steps_of_batch(pixels);
        }
        let firsts = self.steps_of_batch(&pixels[..most])?;
        let lasts = self.steps_of_batch(&pixels[pixels.len() - most..])?;
        let pairs = firsts.into_iter().zip(lasts);
        Ok(pairs
            .map(|((name, mut first), (_, last))| {
                // A batch of one photo has its values once.
                let photo = first.len() / (most / self.photo()).min(2);
                first.truncate(photo);
                first.extend_from_slice(&last[last.len() - photo..]);
                (name, first)
            })
            .collect())
    }

    fn steps_of_batch(&self, pixels: &[u8]) -> Result<StepValues, EngineError> {
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
        failed.map_or(Ok(steps), Err)
    }

    fn values(&self, map: &DeviceTensor) -> Result<Vec<f32>, EngineError> {
        guarded(self.client(), || self.network.read(map))?
            .map_err(|error| failed(self.client(), &error))
    }

    fn waited(&self, features: Reading) -> Result<Vec<f32>, EngineError> {
        guarded(self.client(), || features.wait())?.map_err(|error| failed(self.client(), &error))
    }
}

/// Runs work that panics if the device has no memory for a copy. Other panics end the thread, which
/// reports them.
///
/// # Errors
/// If the device has no memory.
fn guarded<T>(client: &GpuClient, work: impl FnOnce() -> T) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| match client.reports().take() {
        Some(DriverReport::OutOfMemory) => EngineError::OutOfMemory,
        _ => resume_unwind(panic),
    })
}

/// Computes `count` photos in even parts of at most `max_batch`, and halves it whenever memory is
/// too small.
fn in_parts(
    count: usize,
    max_batch: &mut usize,
    mut compute: impl FnMut(Range<usize>) -> Result<Vec<f32>, EngineError>,
) -> Result<Vec<f32>, EngineError> {
    let mut values = Vec::new();
    let mut done = 0;
    while done < count {
        let left = count - done;
        let part = done..done + left.div_ceil(left.div_ceil(*max_batch));
        match compute(part.clone()) {
            Ok(part) => values.extend(part),
            Err(EngineError::OutOfMemory) if part.len() > 1 => {
                *max_batch = part.len() / 2;
                continue;
            }
            Err(error) => return Err(error),
        }
        done = part.end;
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_the_memory_does_not_hold_is_halved_until_it_does() {
        let mut max_batch = 32;
        let mut parts = Vec::new();
        let values = in_parts(32, &mut max_batch, |part| match part.len() {
            9.. => Err(EngineError::OutOfMemory),
            _ => {
                parts.push(part.clone());
                Ok(part.map(|photo| photo as f32).collect())
            }
        });
        assert_eq!(values.unwrap(), (0..32).map(|photo| photo as f32).collect::<Vec<_>>());
        assert_eq!((max_batch, parts.len()), (8, 4));
    }

    #[test]
    fn a_batch_beyond_the_adapters_limits_is_divided_evenly() {
        for (photos, mut max_batch, expected) in
            [(32, 27, vec![16, 16]), (100, 27, vec![25; 4]), (28, 9, vec![7; 4]), (1, 27, vec![1])]
        {
            let mut parts = Vec::new();
            let values = in_parts(photos, &mut max_batch, |part| {
                parts.push(part.len());
                Ok(part.map(|photo| photo as f32).collect())
            });
            assert_eq!(values.unwrap(), (0..photos).map(|photo| photo as f32).collect::<Vec<_>>());
            assert_eq!(parts, expected);
        }
    }

    #[test]
    fn memory_that_does_not_hold_one_photo_is_an_error() {
        let result = in_parts(3, &mut 3, |_| Err(EngineError::OutOfMemory));
        assert!(matches!(result, Err(EngineError::OutOfMemory)));
    }
}
