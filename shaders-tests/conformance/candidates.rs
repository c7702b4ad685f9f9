//! Every kernel that Burn's autotuning chooses among and that can be called by name, forced in turn: a
//! wrong one that loses the race today is found.
//!
//! The lists are those of burn-cubecl 0.22.1: `kernel/matmul/tune/base.rs`, `kernel/conv/forward/tune.rs` and
//! `kernel/reduce/tune.rs`. Of the convolutions `conv_im2col_1x1` has no public name; it is a matrix product
//! with the kernels transposed, which is what is tested here.

use cubecl::client::Client;
use cubek::convolution::{
    AcceleratedTileKind, ConvAlgorithm, ConvolutionArgs, ConvolutionInputs, DepthwiseStrategy,
    DepthwiseTensors, DepthwiseTiling, DirectTensors, launch_depthwise, launch_direct,
};
use cubek::matmul::definition::{MatmulElems, MatmulGlobalElems};
use cubek::matmul::multi_level::Strategy as Levels;
use cubek::matmul::multi_level::components::tile::TileMatmulKind;
use cubek::matmul::multi_level::routines::TileSizeSelection;
use cubek::matmul::multi_level::routines::batch::double_buffering::DoubleBufferingArgs;
use cubek::matmul::multi_level::routines::batch::double_unit::DoubleUnitSelectionArgs;
use cubek::matmul::multi_level::routines::batch::ordered_double_buffering::OrderedSelectionArgs;
use cubek::matmul::multi_level::routines::batch::simple::SimpleArgs;
use cubek::matmul::multi_level::routines::batch::simple_unit::SimpleUnitSelectionArgs;
use cubek::matmul::multi_level::routines::gemm::GemmStrategy;
use cubek::matmul::routine::BlueprintStrategy::Inferred;
use cubek::matmul::strategy::Strategy;
use cubek::matmul::tiled::Strategy as Tiled;
use cubek::std::InputBinding;

use crate::adapter::client;
use crate::exact::{Expected, values};
use crate::launch::{F32, alone, force, input, transposed};
use crate::problem::{Conv, Layout, Order, Product};
use crate::shapes;
use crate::table::{KnownWrong, Table};

/// The matrix products, and the one that Burn takes where it does not tune.
fn matmul_strategies() -> Vec<Strategy> {
    use TileMatmulKind::{Cmma, Mma};
    let simple = |multi_rows, tile_matmul| Inferred(SimpleArgs { multi_rows, tile_matmul });
    let double =
        |specialized, tile_matmul| Inferred(DoubleBufferingArgs { specialized, tile_matmul });
    let ordered = |rows, tile_matmul| {
        Inferred(OrderedSelectionArgs {
            partition_k: Some(2),
            row_count: Some(rows),
            rows_per_plane: Some(2),
            tile_matmul,
        })
    };
    let mut levels = vec![
        Levels::Naive,
        Levels::DoubleVecMat(Inferred(().into())),
        Levels::SimpleVecMat(Inferred(().into())),
        Levels::Gemm(Inferred(Default::default())),
        Levels::Gemm(Inferred(GemmStrategy { target_num_planes: None })),
        Levels::GemvUnitPerpendicular(Inferred(Default::default())),
    ];
    for tile_size in [TileSizeSelection::MaxTileSize, TileSizeSelection::MinTileSize] {
        levels.push(Levels::SimpleUnit(Inferred(SimpleUnitSelectionArgs { tile_size })));
        levels.push(Levels::DoubleUnit(Inferred(DoubleUnitSelectionArgs { tile_size })));
    }
    for rows in [false, true] {
        levels.push(Levels::SimpleCyclicCmma(simple(rows, Cmma)));
        levels.push(Levels::SimpleCyclicMma(simple(rows, Mma)));
        levels.push(Levels::SimpleTmaCmma(simple_tma(rows, Cmma)));
        levels.push(Levels::SimpleTmaMma(simple_tma(rows, Mma)));
    }
    for rows in [4, 8] {
        levels.push(Levels::OrderedDoubleCmma(ordered(rows, Cmma)));
        levels.push(Levels::OrderedDoubleMma(ordered(rows, Mma)));
    }
    for specialized in [false, true] {
        levels.push(Levels::DoubleCyclicCmma(double(specialized, Cmma)));
        levels.push(Levels::DoubleCyclicMma(double(specialized, Mma)));
    }
    levels.extend([
        Levels::SpecializedCyclicCmma(Inferred(().into())),
        Levels::SpecializedCyclicMma(Inferred(().into())),
        Levels::SpecializedTmaCmma(Inferred(().into())),
        Levels::SpecializedTmaMma(Inferred(().into())),
    ]);
    let tiled =
        [Tiled::CpuGemm(Inferred(Default::default())), Tiled::Cmma(Inferred(Default::default()))];
    let levels = levels.into_iter().map(Strategy::from);
    [Strategy::Auto].into_iter().chain(levels).chain(tiled.map(Strategy::from)).collect()
}

/// As `simple` above: the same measures of another algorithm.
fn simple_tma(
    multi_rows: bool,
    tile_matmul: TileMatmulKind,
) -> cubek::matmul::routine::BlueprintStrategy<
    (),
    cubek::matmul::multi_level::routines::batch::simple::SimpleTmaAlgorithm,
> {
    Inferred(SimpleArgs { multi_rows, tile_matmul })
}

/// What is found to be wrong with them.
const KNOWN_WRONG: [KnownWrong; 0] = [];

#[test]
fn every_matrix_product_that_burn_chooses_among_is_right_at_the_networks_shapes() {
    let Some(client) = client() else { return };
    let _alone = alone();
    let mut table = Table::new("Matrix products at the networks' shapes");
    for product in shapes::products() {
        force_products(&client, product, &mut table);
    }
    table.finish(&KNOWN_WRONG);
}

#[test]
fn every_matrix_product_that_burn_chooses_among_is_right_at_awkward_shapes() {
    let Some(client) = client() else { return };
    let _alone = alone();
    let mut table = Table::new("Matrix products at awkward shapes");
    for product in shapes::awkward_products() {
        force_products(&client, product, &mut table);
    }
    table.finish(&KNOWN_WRONG);
}

fn force_products(client: &Client, product: Product, table: &mut Table) {
    let Product { rows, terms, columns, right: order } = product;
    let (left, right) = (values(rows * terms, 1), values(terms * columns, 2));
    let expected = product.expected(&left, &right);
    let left = input(client, &left, &[rows, terms]);
    let right = match order {
        Order::Rows => input(client, &right, &[terms, columns]),
        Order::Columns => transposed(client, &right, [terms, columns]),
    };
    let shape = product.to_string();
    for strategy in matmul_strategies() {
        let mut types =
            MatmulElems::from_globals(&MatmulGlobalElems { lhs: F32, rhs: F32, out: F32 });
        let start = std::time::Instant::now();
        let outcome = force(client, &[rows, columns], &expected, |out| {
            cubek::matmul::launch::launch_ref(
                &strategy,
                client,
                InputBinding::new(left.clone().binding(), F32),
                InputBinding::new(right.clone().binding(), F32),
                out,
                &mut types,
            )
        });
        if start.elapsed().as_millis() > 500 {
            eprintln!("SLOW {strategy} {shape} {:?}", start.elapsed());
        }
        table.row(&strategy.to_string(), "matmul", &shape, outcome);
    }
}
