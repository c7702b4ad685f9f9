//! Reference values, and the devices to test on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor, TensorData};
use kindling::backbone::Tensors;
use kindling::device::{self, Backend};
use safetensors::SafeTensors;

/// The root of the repository, whichever of its packages this file is compiled into.
fn repository_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join("tests/fixtures").is_dir())
        .expect("the fixtures are committed")
}

/// The path of a committed file, given relative to the repository.
pub fn committed(name: &str) -> PathBuf {
    repository_root().join(name)
}

/// The path of a fixture in `tests/fixtures`.
pub fn fixture(name: &str) -> PathBuf {
    repository_root().join("tests/fixtures").join(name)
}

/// The path of a file in `../shared`. If it is missing, prints a line and returns `None`.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = repository_root().join("../shared").join(name);
    if !path.exists() {
        println!("skipped: ../shared/{name} is not there");
        return None;
    }
    Some(path)
}

/// Every native CPU device of this build.
pub fn cpu_devices() -> Vec<(String, Device)> {
    device::list()
        .into_iter()
        .filter(|info| matches!(info.backend, Backend::Flex | Backend::Ndarray))
        .map(|info| (info.device.clone(), device::open(&info).unwrap()))
        .collect()
}

/// The first native CPU device of this build.
pub fn cpu() -> Device {
    cpu_devices().into_iter().next().expect("a test build has a CPU backend").1
}

/// A tensor's shape and values.
#[derive(Clone, Debug)]
pub struct Numbers {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Numbers {
    pub fn on<const D: usize>(&self, device: &Device) -> Tensor<D> {
        let data = TensorData::new(self.values.clone(), self.shape.clone());
        Tensor::from_data(data, device)
    }

    pub fn largest(&self) -> f32 {
        self.values.iter().fold(0.0, |largest, value| largest.max(value.abs()))
    }
}

/// The f32 tensors of a safetensors file.
pub fn read_numbers(path: &Path) -> HashMap<String, Numbers> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors()
        .into_iter()
        .filter(|(_, view)| view.dtype() == safetensors::Dtype::F32)
        .map(|(name, view)| {
            let values = view
                .data()
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
                .collect();
            (name, Numbers { shape: view.shape().to_vec(), values })
        })
        .collect()
}

/// The largest difference, as a fraction of the largest expected value. NaN if a value is NaN.
pub fn relative_error<const D: usize>(actual: Tensor<D>, expected: &Numbers) -> f32 {
    assert_eq!(actual.dims().to_vec(), expected.shape);
    let actual = actual.into_data();
    let worst = actual
        .iter::<f32>()
        .zip(&expected.values)
        .map(|(actual, expected)| (actual - expected).abs())
        // `f32::max` would ignore NaN.
        .fold(0.0, |worst, error| if error > worst || error.is_nan() { error } else { worst });
    worst / expected.largest()
}

/// The bytes of every tensor of a module.
pub fn bits(module: &impl Tensors) -> Vec<Vec<u8>> {
    module.tensors().iter().map(|tensor| tensor.to_bytes().unwrap().to_vec()).collect()
}

/// `count` square photos of `side` pixels, with arbitrary normalised values.
pub fn photos(count: usize, side: usize) -> Numbers {
    let values = (0..count * 3 * side * side).map(|at| ((at * 7919 % 1009) as f32 / 252.0) - 2.0);
    Numbers { shape: vec![count, 3, side, side], values: values.collect() }
}

/// Fills a network with random weights that keep the scale of the activations.
pub fn random_weights(module: &mut impl Tensors) {
    kindling::backbone::random_weights(module).unwrap();
}
