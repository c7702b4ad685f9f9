//! Where in a photo a network saw a class.

use std::path::Path;

use crate::features::{ExtractError, Extractor, FeatureMap};
use crate::head::Head;
use crate::photos::{Batch, for_each_batch};

/// The evidence for a class in each part of a photo's crop.
///
/// Zhou, Khosla, Lapedriza, Oliva, Torralba: *Learning Deep Features for Discriminative Localization*,
/// 2016, <https://arxiv.org/abs/1512.04150>, equation 2: the last feature map, each channel weighted as
/// the head weights it. Exact for a network that ends in global average pooling and a linear head: the
/// map's mean and the head's bias add up to the logit.
#[derive(Clone, Debug, PartialEq)]
pub struct ActivationMap {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// The evidence, `[height, width]`, rows from the top; negative where it speaks against the class.
    pub values: Vec<f32>,
}

/// A photo, and the classes whose maps are wanted.
#[derive(Clone, Debug)]
pub struct MapRequest<'a> {
    /// The photo.
    pub photo: &'a Path,
    /// Indices of classes.
    pub classes: Vec<usize>,
}

/// Maps of each photo that is asked for, in the order of the requests; none where the file gives no
/// photo any more.
///
/// # Errors
/// Where the device fails.
///
/// # Panics
/// Where a class is not one of the head's, or the head is for other features.
pub fn activation_maps(
    extractor: &Extractor,
    head: &Head,
    requests: &[MapRequest],
) -> Result<Vec<Vec<ActivationMap>>, ExtractError> {
    let paths: Vec<&Path> = requests.iter().map(|request| request.photo).collect();
    let weight = head.weight();
    let mut maps = vec![Vec::new(); requests.len()];
    let (recipe, batch_size) = (extractor.recipe(), extractor.batch_size());
    let result = for_each_batch(&paths, &recipe, batch_size, |batch: Batch| {
        if batch.photos.is_empty() {
            return Ok(());
        }
        let FeatureMap { channels, height, width, values } = extractor.feature_map(batch.pixels)?;
        let photos = values.chunks(channels * height * width);
        for (photo, index) in photos.zip(batch.photos) {
            let class_map = |class: &usize| {
                let row = &weight[class * channels..][..channels];
                ActivationMap { height, width, values: weighted(photo, row, height * width) }
            };
            maps[index] = requests[index].classes.iter().map(class_map).collect();
        }
        Ok(())
    });
    result.map(|()| maps)
}

/// The sum of the channels of `photo`, `[channels, places]`, weighted by `row`.
fn weighted(photo: &[f32], row: &[f32], places: usize) -> Vec<f32> {
    let mut sums = vec![0.0_f64; places];
    for (channel, weight) in photo.chunks(places).zip(row) {
        for (sum, value) in sums.iter_mut().zip(channel) {
            *sum += f64::from(*value) * f64::from(*weight);
        }
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}
