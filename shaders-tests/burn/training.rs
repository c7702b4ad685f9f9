//! Training on the adapter gives the same head as training on the processor.

use burn::tensor::{Device, Tensor, TensorData};
use kindling::head::{Examples, FitOptions, Head, fit};
use kindling::weights::{self, Checkpoint};

use crate::reference::{bits, fixture};
use shaders_tests::adapter::adapter;

const OPTIONS: FitOptions = FitOptions {
    epochs: 5,
    batch_size: 8,
    learning_rate: 1e-2,
    weight_decay: 1e-3,
    seed: 1,
    ..FitOptions::DEFAULT
};

fn examples() -> Examples {
    let (count, width) = (48, 32);
    let rows = (0..count * width)
        .map(|index| {
            let (row, column) = (index / width, index % width);
            ((row * 7 + column * 13) as f32 * 0.61).sin()
                + if column % 3 == row % 3 { 0.7 } else { 0.0 }
        })
        .collect();
    Examples { width, rows, labels: (0..count).map(|row| row % 3).collect() }
}

#[test]
fn a_head_trained_on_the_adapter_is_the_one_trained_on_the_processor() {
    let Some(device) = adapter() else { return };
    let cpu = Device::flex();
    assert_eq!(bits(&Head::seeded(32, 3, 1, &device)), bits(&Head::seeded(32, 3, 1, &cpu)));
    let examples = examples();
    let run = |device: &Device| fit(&examples, &examples, 3, &OPTIONS, device, |_| ()).unwrap();
    let (there, here) = (run(&device), run(&cpu));
    let again = run(&device);
    assert_eq!(bits(&there.head), bits(&again.head), "the same seed gives the same head");
    let logits = |head: &Head, device: &Device| head.logits(examples.rows.values(), device);
    let (there, here) = (logits(&there.head, &device), logits(&here.head, &cpu));
    let worst = there.iter().zip(&here).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    // 30 steps of Adam, each of which moves a weight by at most lr = 0.01. Rounding changes a step
    // by about 1e-7 of that, unless a gradient near zero changes its sign, which moves the weight
    // by a fraction of lr.
    println!("logits differ by {worst:.1e}");
    assert!(worst < 1e-3, "{worst}");
}

#[test]
fn the_backbone_is_bit_identical_after_training() {
    let Some(device) = adapter() else { return };
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &device).unwrap();
    let before = bits(&backbone);
    let photos = (0..6 * 3 * 64 * 64).map(|index| (index as f32 * 0.137).sin()).collect();
    let photos = Tensor::<4>::from_data(TensorData::new(photos, [6, 3, 64, 64]), &device);
    let rows: Vec<f32> = backbone.forward(photos).into_data().iter::<f32>().collect();
    let examples = Examples { width: 32, rows: rows.into(), labels: vec![0, 1, 0, 1, 0, 1] };
    fit(&examples, &examples, 2, &OPTIONS, &device, |_| ()).unwrap();
    assert_eq!(bits(&backbone), before);
}
