//! Class activation maps: where in a photo the network sees a class.

use std::path::Path;

use crate::engine::{EngineError, FeatureMap};
use crate::features::Extractor;
use crate::head::Head;
use crate::photos::{Batch, for_each_batch};

/// Most photos of a forward on the processor. The activations of more photos would determine the
/// peak memory of `train`, which writes the model meanwhile.
const MAX_CPU_BATCH: usize = 4;

/// The evidence for a class at each position of a photo's crop.
///
/// The sum over the channels of the last feature map, each weighted by the head's weight for the
/// class: equation 2 of Zhou, Khosla, Lapedriza, Oliva, Torralba: *Learning Deep Features for
/// Discriminative Localization*, 2016, <https://arxiv.org/abs/1512.04150>. It is exact for a
/// network that ends in global average pooling and a linear head: the map's mean plus the head's
/// bias is the logit.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationMap {
    /// Number of rows.
    pub height: usize,
    /// Number of columns.
    pub width: usize,
    /// The evidence, `[height, width]`, top row first; negative values are evidence against the
    /// class.
    pub values: Vec<f32>,
}

/// A photo and the classes to compute maps for.
#[derive(Clone, Debug)]
pub struct MapRequest<'a> {
    /// Path of the photo.
    pub photo: &'a Path,
    /// Class indices.
    pub classes: Vec<usize>,
}

/// Computes the maps of each requested photo, in the order of the requests. A photo that can no
/// longer be decoded has no maps.
///
/// # Errors
/// If the device fails.
///
/// # Panics
/// If a class index is out of range, or the head expects a different number of features.
pub fn activation_maps(
    extractor: &Extractor,
    head: &Head,
    requests: &[MapRequest],
) -> Result<Vec<Vec<ActivationMap>>, EngineError> {
    let paths: Vec<&Path> = requests.iter().map(|request| request.photo).collect();
    let weight = head.weight();
    let mut maps = vec![Vec::new(); requests.len()];
    let preprocessing = extractor.preprocessing();
    let batch_size = match extractor.is_on_gpu() {
        true => extractor.batch_size(),
        false => extractor.batch_size().min(MAX_CPU_BATCH),
    };
    let result = for_each_batch(&paths, &preprocessing, batch_size, |batch: Batch| {
        if batch.photos.is_empty() {
            return Ok(());
        }
        let FeatureMap { channels, height, width, values } = extractor.feature_map(batch.pixels)?;
        let photos = values.chunks(channels * height * width);
        for (photo, index) in photos.zip(batch.photos) {
            let class_map = |class: &usize| {
                let row = &weight[class * channels..][..channels];
                ActivationMap { height, width, values: weighted_sum(photo, row, height * width) }
            };
            maps[index] = requests[index].classes.iter().map(class_map).collect();
        }
        Ok(())
    });
    result.map(|()| maps)
}

/// Sums the channels of `photo`, `[channels, positions]`, weighted by `row`, `[channels]`.
fn weighted_sum(photo: &[f32], row: &[f32], positions: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; positions];
    for (channel, weight) in photo.chunks(positions).zip(row) {
        for (sum, value) in sums.iter_mut().zip(channel) {
            *sum += f64::from(*value) * f64::from(*weight);
        }
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}
