//! The self-check accepts a GPU if it agrees with the processor, and otherwise names the faulty
//! layer.

use kindling::Precision;
use kindling::device;
use kindling::features::{Extractor, SelfCheckError};
use kindling::weights::{self, Checkpoint};

use crate::reference::fixture;
use shaders_tests::adapter::{TestAdapter, adapters};

#[test]
fn the_self_check_believes_right_kernels_and_names_the_layer_where_wrong_ones_begin() {
    adapters().iter().for_each(check);
}

fn check(adapter: &TestAdapter) {
    let info = &adapter.info;
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let processor = device::processor().unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &processor).unwrap();
    let preprocessing = architecture.preprocessing();
    let photo: Vec<u8> = (0..preprocessing.values()).map(|at| (at * 7919 % 251) as u8).collect();
    let precisions =
        if info.f16 { &[Precision::F32, Precision::F16][..] } else { &[Precision::F32] };
    for precision in precisions {
        let extractor =
            Extractor::new(&backbone, preprocessing, &processor, 3).on(info, *precision).unwrap();
        let checked = extractor.self_check(&photo);
        println!("{info}, {precision}: {checked:?}");
        if cfg!(feature = "faulty-kernel") {
            // The first 3x3 convolution.
            assert!(
                matches!(&checked, Err(SelfCheckError::Disagrees { layer: Some(layer), .. })
                    if layer == "layer1.0.conv1"),
                "{checked:?}"
            );
        } else {
            let check = checked.unwrap().unwrap();
            assert_eq!((check.kernels.as_str(), check.photos), ("own", 3));
            assert!(check.error <= check.bound);
        }
    }
}
