//! Weights for tests and measurements.

use burn::store::bridge;
use burn::tensor::TensorData;

use super::Tensors;

/// Fills a network with pseudo-random weights, the same on every machine, that keep the scale of
/// the activations. Tests compare engines with them. Measurements of speed need them too: with
/// weights of zero, every activation would be zero, and a GPU that switches fewer transistors runs
/// faster.
///
/// # Errors
/// If the network does not take them.
pub fn random_weights(module: &mut impl Tensors) -> Result<(), String> {
    // The upper bits of Knuth's linear congruential generator, with a fixed seed.
    let mut state = 11u64;
    let mut random = |low: f32, high: f32| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        low + (high - low) * (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let filled = module.tensors().into_iter().map(|tensor| {
        let shape = tensor.shape.to_vec();
        let fan_in: usize = shape.iter().skip(1).product();
        let (low, high) = match shape.len() {
            // Kaiming's bound for ReLU keeps the variance from input to output.
            4 => (-(6.0 / fan_in as f32).sqrt(), (6.0 / fan_in as f32).sqrt()),
            _ if tensor.name.ends_with("running_var") => (0.5, 1.5),
            _ if tensor.name.ends_with("weight") => (0.8, 1.2),
            _ => (-0.1, 0.1),
        };
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| random(low, high)).collect();
        bridge::from_data(TensorData::new(values, shape), tensor.name.clone(), None)
    });
    let filled = filled.collect();
    module.fill(filled)
}
