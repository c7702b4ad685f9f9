//! Counts the launches of a forward pass with Burn's operations and with Kindling's kernels.

use burn::tensor::{Device, Tensor};
use kindling::Precision;
use kindling::backbone::{Architecture, Backbone};
use kindling::engine::{GpuNetwork, NetworkSpec};
use kindling::kernels::Hardware;
use shaders_tests::adapter::{adapter, client};
use shaders_tests::launches;

const PHOTOS: usize = 2;

#[test]
fn burns_operations_take_several_times_the_launches() {
    let (Some(client), Some(device)) = (client(), adapter()) else { return };
    for name in ["resnet18", "efficientnet-lite0"] {
        let architecture: Architecture = name.parse().unwrap();
        let spec = NetworkSpec::of(&architecture.init(&Device::flex())).unwrap();
        let network =
            GpuNetwork::compile(&client, &spec, [224, 224], Precision::F32, Hardware::Gpu).unwrap();
        let own = network.forward_cost(PHOTOS).launches.len();
        let backbone: Backbone = architecture.init(&device);
        let photos = Tensor::<4>::zeros([PHOTOS, 3, 224, 224], &device);
        let launched = launches::of(|| {
            let _ = backbone.forward(photos);
        });
        let total: usize = launched.values().sum();
        println!("{name}: {total} launches a batch, {own} of Kindling's kernels");
        println!("{launched:#?}");
        assert!(total > 2 * own, "{total} and {own}");
    }
}
