//! Runs one network with three implementations that share only the tensor operations.

use burn::tensor::{Device, Tensor};
use kindling::weights::{self, Checkpoint};

use crate::reference::{Numbers, fixture, read_numbers, relative_error};

/// The code that burn-import generated from narrow.onnx.
#[allow(dead_code, reason = "only one of the generated functions to load weights is used")]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/generated/narrow.rs"));
}

#[path = "../../../tests/library/reference.rs"]
#[allow(dead_code, reason = "shared with the library's tests, which use all of it")]
mod reference;

/// As in the library's tests: f32 sums in a different order, through 17 layers that keep the scale.
const TOLERANCE: f32 = 1e-5;

/// The logits of each implementation.
struct Logits {
    generated: Numbers,
    kindling: Numbers,
    pytorch: Numbers,
}

#[test]
fn three_implementations_of_one_network_agree() {
    let mut mismatches = Vec::new();
    // The second input has odd sides, so that the padding differs between the borders.
    for input in ["square", "odd"] {
        let Logits { generated, kindling, pytorch } = logits_of(input);
        for (names, one, other) in [
            ("burn-import and Kindling", &generated, &kindling),
            ("burn-import and PyTorch", &generated, &pytorch),
            ("Kindling and PyTorch", &kindling, &pytorch),
        ] {
            let error = relative_error(one.on::<2>(&Device::flex()), other);
            println!("{input}, {names}: off by {error:.1e} of the largest logit");
            // Check all pairs before failing: the differing pairs show which implementation is
            // wrong.
            if error.is_nan() || error >= TOLERANCE {
                mismatches.push(format!("{input}, {names}: {error}"));
            }
        }
    }
    assert!(mismatches.is_empty(), "{mismatches:#?}");
}

fn logits_of(input: &str) -> Logits {
    let device = Device::flex();
    let reference = read_numbers(&fixture("narrow_reference.safetensors"));
    let photos = || reference[input].on::<4>(&device);

    let generated = generated::Model::from_embedded(&device).forward(photos());

    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &device).unwrap();
    let head = weights::head(&checkpoint, &architecture, &device).unwrap();
    let kindling = head.forward(backbone.forward(photos()));

    Logits {
        generated: numbers(generated),
        kindling: numbers(kindling),
        pytorch: reference[&format!("{input}.logits")].clone(),
    }
}

fn numbers(logits: Tensor<2>) -> Numbers {
    Numbers { shape: logits.dims().to_vec(), values: logits.into_data().iter::<f32>().collect() }
}
