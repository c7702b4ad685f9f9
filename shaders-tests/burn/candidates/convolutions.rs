//! Convolutions and pools.

use cubecl::client::Client;
use cubek::convolution::{
    AcceleratedTileKind, ConvAlgorithm, ConvolutionArgs, ConvolutionInputs, DepthwiseStrategy,
    DepthwiseTensors, DepthwiseTiling, DirectTensors, Strategy, launch_depthwise, launch_direct,
    launch_ref,
};
use cubek::pool::definition::{AdaptiveAvgPoolOptions, MaxPoolOptions, PoolMode};
use cubek::pool::pool2d;
use cubek::std::InputBinding;

use crate::launch::{F32, alone, force, input};
use crate::problem::{Conv, Layout, expected_mean, sides};
use kindling::kernels::reference::values;
use shaders_tests::adapter::client;
use shaders_tests::batches;

use crate::shapes;
use shaders_tests::table::{Outcome, Table};

use super::{KNOWN_WRONG, rounded_by_tensor_cores, types};

/// A kernel for convolutions.
#[derive(Clone, Copy)]
enum Convolver {
    Direct,
    Depthwise(DepthwiseStrategy),
    Gemm(ConvAlgorithm, AcceleratedTileKind),
}

/// Burn's candidates for convolutions, with their names in Burn's autotuning.
fn convolvers() -> Vec<(&'static str, Convolver)> {
    use AcceleratedTileKind::{Cmma, Mma};
    let tiled = |rows, cols, lines| {
        let tiling = DepthwiseTiling { rows, cols, chans: 1, lines };
        Convolver::Depthwise(DepthwiseStrategy::Fixed(tiling))
    };
    vec![
        ("conv_direct", Convolver::Direct),
        ("conv_depthwise", Convolver::Depthwise(DepthwiseStrategy::Routine)),
        ("conv_depthwise_8x4_lined", tiled(8, 4, 2)),
        ("conv_depthwise_2x4_scalar", tiled(2, 4, 1)),
        ("conv_depthwise_8x2_lined", tiled(8, 2, 2)),
        ("conv_depthwise_4x2_scalar", tiled(4, 2, 1)),
        ("simple_sync_cmma", Convolver::Gemm(ConvAlgorithm::SimpleSyncCyclic, Cmma)),
        ("simple_sync_mma", Convolver::Gemm(ConvAlgorithm::SimpleSyncStrided, Mma)),
        ("simple_async_cmma", Convolver::Gemm(ConvAlgorithm::SimpleAsyncCyclic, Cmma)),
        ("simple_async_mma", Convolver::Gemm(ConvAlgorithm::SimpleAsyncStrided, Mma)),
        ("simple_tma_cmma", Convolver::Gemm(ConvAlgorithm::SimpleAsyncTma, Cmma)),
        ("simple_tma_mma", Convolver::Gemm(ConvAlgorithm::SimpleAsyncTma, Mma)),
    ]
}

#[test]
fn every_convolution_that_burn_chooses_among_is_right_at_the_networks_shapes() {
    let Some(client) = client() else { return };
    let _alone = alone();
    let mut table = Table::new("Convolutions at the networks' shapes");
    for conv in shapes::convs(batches()) {
        force_convs(&client, conv, &mut table);
    }
    table.finish(KNOWN_WRONG);
}

#[test]
fn every_convolution_that_burn_chooses_among_is_right_at_awkward_shapes() {
    let Some(client) = client() else { return };
    let _alone = alone();
    let mut table = Table::new("Convolutions at awkward shapes");
    for conv in shapes::awkward_convs() {
        force_convs(&client, conv, &mut table);
    }
    table.finish(KNOWN_WRONG);
}

fn force_convs(client: &Client, conv: Conv, table: &mut Table) {
    let layout = Layout::ChannelsLast;
    let [photo_shape, weight_shape, output_shape] =
        [conv.input_shape(), conv.weight_shape(), conv.output_shape()]
            .map(|shape| layout.order(shape));
    let photos = values(photo_shape.iter().product(), 1);
    let weight = values(weight_shape.iter().product(), 2);
    let expected = conv.expected(layout, &photos, &weight, None);
    let photos = input(client, &photos, &photo_shape);
    let weight = input(client, &weight, &weight_shape);
    let args = ConvolutionArgs {
        stride: [conv.stride; 2],
        padding: conv.padding.map(|[before, _]| before),
        dilation: [1; 2],
    };
    let shape = conv.to_string();
    for (name, convolver) in convolvers() {
        let (photos, weight, args) = (photos.clone(), weight.clone(), args.clone());
        let outcome = match convolver {
            Convolver::Direct => force(client, &output_shape, &expected, |out| {
                let (input, weight) = (photos.binding(), weight.binding());
                let tensors = DirectTensors { input, weight, bias: None, out };
                launch_direct(client, tensors, args, conv.groups, F32)
            }),
            Convolver::Depthwise(strategy) => force(client, &output_shape, &expected, |out| {
                let (input, weight) = (photos.binding(), weight.binding());
                let tensors = DepthwiseTensors { input, weight, out };
                launch_depthwise(client, tensors, args, conv.groups, F32, strategy)
            }),
            // burn-cubecl makes the same check before it launches one.
            Convolver::Gemm(..) if conv.groups != 1 => {
                Outcome::Declined("groups must be one".to_owned())
            }
            Convolver::Gemm(algorithm, tile_kind) => {
                let expected = rounded_by_tensor_cores(&expected, client);
                force(client, &output_shape, &expected, |out| {
                    let inputs = ConvolutionInputs::Forward {
                        input: InputBinding::new(photos.binding(), F32),
                        weight: InputBinding::new(weight.binding(), F32),
                        bias: None,
                        out,
                    };
                    let strategy = Strategy::Inferred { algorithm, tile_kind };
                    launch_ref(&strategy, client, inputs, args, types())
                })
            }
        };
        table.row(name, "conv2d", &shape, outcome);
    }
}

#[test]
fn both_pools_are_right() {
    let Some(client) = client() else { return };
    let _alone = alone();
    let layout = Layout::ChannelsLast;
    let mut table = Table::new("Pools");

    for pool in shapes::max_pools() {
        let [input_shape, output_shape] =
            [pool.input, pool.output_shape()].map(|shape| layout.order(shape));
        let photos = values(input_shape.iter().product(), 3);
        let expected = pool.expected(layout, &photos);
        let photos = input(&client, &photos, &input_shape);
        let options = MaxPoolOptions::new(
            [pool.kernel; 2],
            [pool.stride; 2],
            [pool.padding; 2],
            [1; 2],
            false,
        );
        let outcome = force(&client, &output_shape, &expected, |out| {
            pool2d(&client, photos.binding(), out, PoolMode::from(options), F32)
        });
        table.row("max_pool2d", "max-pool", &pool.to_string(), outcome);
    }

    for shape in shapes::means() {
        let photos = values(shape.iter().product(), 4);
        let expected = expected_mean(layout, shape, &photos);
        let photos = input(&client, &photos, &layout.order(shape));
        let outcome = force(&client, &[shape[0], 1, 1, shape[1]], &expected, |out| {
            let options = AdaptiveAvgPoolOptions::new([1, 1]);
            pool2d(&client, photos.binding(), out, PoolMode::from(options), F32)
        });
        table.row("adaptive_avg_pool2d", "mean", &sides(&shape), outcome);
    }
    table.finish(KNOWN_WRONG);
}
