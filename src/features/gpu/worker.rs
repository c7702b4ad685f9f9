//! What the thread does.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender};

use cubecl::server::ServerError;

use super::{Answer, Answered, Ingredients, Job, Ticket};
use crate::backbone::GpuNetwork;
use crate::features::ExtractError;
use crate::kernels::failure::{is_out_of_memory, reason};
use crate::kernels::preprocess::Preprocess;
use crate::kernels::{Map, Reading};

/// The network, and what goes into it.
pub struct Worker {
    network: GpuNetwork,
    preprocess: Preprocess,
    crop: usize,
    most: Arc<AtomicUsize>,
}

/// A batch; its pixels, should it have to be launched again.
struct Launched<'a> {
    ticket: Ticket,
    pixels: Vec<u8>,
    /// On their way back. Nothing where the memory is known not to hold so many photos at a time.
    features: Option<Reading<'a>>,
}

impl Worker {
    /// Compiles the network; `None` where the device's limits do not allow the kernels.
    pub fn new(ingredients: Ingredients, most: Arc<AtomicUsize>) -> Option<Self> {
        let Ingredients { client, plan, weights, recipe, precision } = ingredients;
        let crop = recipe.crop as usize;
        let network = GpuNetwork::compile(&client, &plan, [crop; 2], precision, |convolution| {
            convolution.folded(&weights)
        })?;
        let preprocess = network.preprocess(&recipe.normalised());
        Some(Self { network, preprocess, crop, most })
    }

    /// Answers until nobody asks or listens any more.
    pub fn work(&self, asked: &Receiver<(Ticket, Job)>, answers: &Sender<Answered>) {
        let mut launched: VecDeque<Launched> = VecDeque::new();
        loop {
            let job = match launched.len() {
                0 => match asked.recv() {
                    Ok(job) => Some(job),
                    Err(_) => return,
                },
                1 => asked.try_recv().ok(),
                _ => None,
            };
            let (ticket, answer) = match job {
                Some((ticket, Job::Features(pixels))) => {
                    launched.push_back(self.launch(ticket, pixels));
                    continue;
                }
                Some((ticket, Job::FeatureMap(pixels))) => (ticket, self.feature_map(&pixels)),
                Some((ticket, Job::Steps(pixels))) => (ticket, self.steps(&pixels)),
                None => match launched.pop_front() {
                    Some(oldest) => (oldest.ticket, self.read(oldest, &mut launched)),
                    None => unreachable!("only while some are launched"),
                },
            };
            if answers.send((ticket, answer)).is_err() {
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

    fn launch(&self, ticket: Ticket, pixels: Vec<u8>) -> Launched<'_> {
        let fits = pixels.len() / self.photo() <= self.most.load(Ordering::Relaxed);
        let features = fits.then(|| self.start(&pixels));
        Launched { ticket, pixels, features }
    }

    /// Launches everything for some photos, and asks for their features.
    fn start(&self, pixels: &[u8]) -> Reading<'_> {
        self.network.read_later(&self.network.features(self.upload(pixels)))
    }

    fn read<'a>(
        &'a self,
        oldest: Launched<'a>,
        others: &mut VecDeque<Launched<'a>>,
    ) -> Result<Answer, ExtractError> {
        let Launched { pixels, features, .. } = oldest;
        let photos = pixels.len() / self.photo();
        let mut most = self.most.load(Ordering::Relaxed);
        if let Some(features) = features {
            let whole = features.wait().map_err(|error| failed(&error));
            if !matches!(whole, Err(ExtractError::OutOfMemory)) || photos == 1 {
                return whole.map(Answer::Features);
            }
            most = photos / 2;
        }
        // Nothing else may hold memory now.
        let waiting: Vec<(Ticket, Vec<u8>)> =
            others.drain(..).map(|other| (other.ticket, other.pixels)).collect();
        let values = in_parts(photos, &mut most, |part| {
            let _ = self.network.client().memory_cleanup();
            let pixels = &pixels[part.start * self.photo()..part.end * self.photo()];
            self.start(pixels).wait().map_err(|error| failed(&error))
        });
        self.most.store(most, Ordering::Relaxed);
        others.extend(waiting.into_iter().map(|(ticket, pixels)| self.launch(ticket, pixels)));
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
        self.network.read(map).map_err(|error| failed(&error))
    }
}

fn failed(error: &ServerError) -> ExtractError {
    match is_out_of_memory(error) {
        true => ExtractError::OutOfMemory,
        false => ExtractError::Device(reason(error)),
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
}
