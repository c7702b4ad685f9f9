//! Networks and plans divided at a stage, as fine-tuning needs them.

use burn::module::{Module, ParamGroup};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use kindling::backbone::{Architecture, Backbone, Tensors};
use kindling::engine::cpu::{CpuNetwork, Photos, Tuning};
use kindling::plan::{FusedPlan, Plan, Planned, StageError, Weights};

use crate::reference::{Numbers, cpu, photos, random_weights, relative_error};

const NAMES: [&str; 2] = ["resnet18-w8", "efficientnet-lite0"];
const SIDE: usize = 64;
/// The largest error allowed on any engine, as a fraction of the largest value.
const TOLERANCE: f32 = 1e-4;

fn backbone(name: &str, device: &Device) -> Backbone {
    let mut backbone = name.parse::<Architecture>().unwrap().init(device);
    random_weights(&mut backbone);
    backbone
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Numbers {
    let shape = tensor.dims().to_vec();
    Numbers { shape, values: tensor.into_data().iter::<f32>().collect() }
}

#[test]
fn a_network_divided_at_any_stage_gives_the_same_features() {
    for name in NAMES {
        let backbone = backbone(name, &cpu());
        let network = backbone.network();
        let whole = numbers(network.forward(photos(2, SIDE).on(&cpu())));
        for stage in network.stages() {
            let activations = network.forward_until(&stage, photos(2, SIDE).on(&cpu())).unwrap();
            let features = network.forward_from(&stage, activations).unwrap();
            assert_eq!(numbers(features).values, whole.values, "{name} at {stage}");
        }
    }
}

#[test]
fn a_plan_divided_at_any_stage_agrees_with_the_network() {
    for name in NAMES {
        let backbone = backbone(name, &cpu());
        let (network, plan) = (backbone.network(), backbone.plan().unwrap());
        let weights = Weights::read(backbone.tensors()).unwrap();
        let planned: Vec<&str> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(planned, network.stages(), "{name}");
        let whole = numbers(network.forward(photos(2, SIDE).on(&cpu())));
        for stage in network.stages() {
            let expected =
                numbers(network.forward_until(&stage, photos(2, SIDE).on(&cpu())).unwrap());
            let until = plan.until_stage(&stage).unwrap();
            let activations = until.interpreted(&weights, photos(2, SIDE).on(&cpu()), |_, _| ());
            let error = relative_error(activations.clone(), &expected);
            println!("{name} until {stage}: off by {error:.1e}");
            assert!(error < TOLERANCE, "{name} until {stage}: {error}");
            // The CPU engine also runs the first part. Its feature map is the stage's output.
            let engine = CpuNetwork::compile(&until, [SIDE; 2], Tuning::default(), |convolution| {
                convolution.folded(&weights)
            })
            .unwrap();
            let map = engine.feature_map(Photos::Planes(&photos(2, SIDE).values));
            let map = Numbers { shape: expected.shape.clone(), values: map };
            assert!(
                relative_error(map.on::<4>(&cpu()), &expected) < TOLERANCE,
                "{name} until {stage}"
            );
            let from = plan.from_stage(&stage).unwrap();
            assert_eq!(from.input_channels, expected.shape[1], "{name} from {stage}");
            let features = from.interpreted(&weights, activations, |_, _| ()).flatten(1, 3);
            assert!(relative_error::<2>(features, &whole) < TOLERANCE, "{name} from {stage}");
        }
    }
}

#[test]
fn an_unknown_stage_is_an_error_that_names_the_known_ones() {
    let backbone = backbone("resnet18-w8", &cpu());
    let message = "the network has no stage called `layer5`; its stages are maxpool, layer1, \
                   layer2, layer3, layer4";
    assert_eq!(backbone.plan().unwrap().until_stage("layer5").unwrap_err().to_string(), message);
    let error = backbone.network().forward_until("layer5", photos(2, SIDE).on(&cpu())).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_stage_is_not_a_cut_if_later_steps_read_earlier_values() {
    let mut plan: Plan = backbone("resnet18-w8", &cpu()).plan().unwrap();
    // `layer1.0.add` reads the output of `maxpool`, which is computed before the stage ends.
    let inside = plan.steps.iter().position(|step| step.name == "layer1.0.conv1").unwrap();
    plan.end_stage("inside", kindling::plan::Value::Output(inside));
    let error = plan.from_stage("inside").unwrap_err();
    assert_eq!(error, StageError::NotACut { name: "inside".into() });
}

#[test]
fn stages_are_divided_by_their_outputs_in_whatever_order_they_are_listed() {
    let mut plan = backbone("resnet18-w8", &cpu()).plan().unwrap();
    let names = |plan: &Plan| -> Vec<String> {
        plan.stages.iter().map(|stage| stage.name.clone()).collect()
    };
    plan.stages.reverse();
    assert_eq!(names(&plan.until_stage("layer2").unwrap()), ["layer2", "layer1", "maxpool"]);
    assert_eq!(names(&plan.from_stage("layer2").unwrap()), ["layer4", "layer3"]);
}

#[test]
fn a_plan_that_starts_at_a_stage_is_refused_by_the_compiled_engines() {
    let plan = backbone("resnet18-w8", &cpu()).plan().unwrap().from_stage("layer3").unwrap();
    let error = FusedPlan::of(&plan).unwrap_err().to_string();
    assert!(error.contains("does not read photos"), "{error}");
}

#[test]
fn gradients_reach_the_stages_after_the_cut_but_not_a_frozen_group() {
    let device = cpu();
    let backbone = backbone("resnet18-w8", &device);
    let activations =
        backbone.network().forward_until("layer3", photos(2, SIDE).on(&device)).unwrap();
    let network = backbone.into_network().train();
    let all = network.clone();
    let loss = all.forward_from("layer3", activations.clone().autodiff()).unwrap().sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &all);
    // layer4 has two blocks: four convolutions and a projection, each with the gamma and beta of a
    // BatchNorm.
    assert_eq!(gradients.len(), 3 * 5);

    let group = ParamGroup::all().exclude(ParamGroup::from_predicate("layer4.1"));
    let frozen = network.freeze_group(group);
    let loss = frozen.forward_from("layer3", activations.autodiff()).unwrap().sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &frozen);
    assert_eq!(gradients.len(), 3 * 2);
}
