//! Runs one network by three implementations that share no code above the tensor operations.

use burn::tensor::{Device, Tensor};
use kindling::weights::{self, Checkpoint};

use crate::reference::{Numbers, fixture, read_numbers, relative_error};

/// The code that burn-import generated from narrow.onnx.
#[allow(dead_code, reason = "it has more functions to load the weights than the one used")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/generated/narrow.rs"));
}

#[path = "../../../tests/library/reference.rs"]
#[allow(dead_code, reason = "written for the library's tests, which use all of it")]
mod reference;

/// As in the library's tests: f32 sums in a different order, through 17 layers that keep the scale.
const TOLERANCE: f32 = 1e-5;

/// The logits of each implementation.
struct Readings {
    generated: Numbers,
    kindling: Numbers,
    pytorch: Numbers,
}

#[test]
fn three_readings_of_one_network_agree() {
    let mut apart = Vec::new();
    // The second input has odd sides, so that padding is not the same at all borders.
    for input in ["square", "odd"] {
        let Readings { generated, kindling, pytorch } = readings(input);
        for (names, one, other) in [
            ("burn-import and Kindling", &generated, &kindling),
            ("burn-import and PyTorch", &generated, &pytorch),
            ("Kindling and PyTorch", &kindling, &pytorch),
        ] {
            let error = relative_error(one.on::<2>(&Device::flex()), other);
            println!("{input}, {names}: {error:.1e} of the largest logit apart");
            // Check all pairs before failing: the pairs that differ show which one is wrong.
            if error.is_nan() || error >= TOLERANCE {
                apart.push(format!("{input}, {names}: {error}"));
            }
        }
    }
    assert!(apart.is_empty(), "{apart:#?}");
}

fn readings(input: &str) -> Readings {
    let device = Device::flex();
    let reference = read_numbers(&fixture("narrow_reference.safetensors"));
    let photos = || reference[input].on::<4>(&device);

    let generated = generated::Model::from_embedded(&device).forward(photos());

    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &device).unwrap();
    let head = weights::head(&checkpoint, &architecture, &device).unwrap();
    let kindling = head.forward(backbone.forward(photos()));

    Readings {
        generated: numbers(generated),
        kindling: numbers(kindling),
        pytorch: reference[&format!("{input}.logits")].clone(),
    }
}

fn numbers(logits: Tensor<2>) -> Numbers {
    Numbers { shape: logits.dims().to_vec(), values: logits.into_data().iter::<f32>().collect() }
}
