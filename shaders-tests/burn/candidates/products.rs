//! Matrix products.

use cubecl::client::Client;
use cubek::matmul::multi_level::Strategy as Levels;
use cubek::matmul::multi_level::components::tile::TileMatmulKind;
use cubek::matmul::multi_level::routines::TileSizeSelection;
use cubek::matmul::multi_level::routines::batch::double_buffering::DoubleBufferingArgs;
use cubek::matmul::multi_level::routines::batch::double_unit::DoubleUnitSelectionArgs;
use cubek::matmul::multi_level::routines::batch::ordered_double_buffering::OrderedSelectionArgs;
use cubek::matmul::multi_level::routines::batch::simple::SimpleArgs;
use cubek::matmul::multi_level::routines::batch::simple_unit::SimpleUnitSelectionArgs;
use cubek::matmul::routine::BlueprintStrategy::Inferred;
use cubek::matmul::strategy::Strategy;
use cubek::matmul::tiled::Strategy as Tiled;
use cubek::std::InputBinding;

use crate::launch::{F32, alone, input, run, transposed};
use crate::problem::{Order, Product};
use kindling::kernels::reference::values;
use shaders_tests::adapter::{self, client};
use shaders_tests::{BATCHES, batches};

use crate::shapes;
use shaders_tests::table::{Outcome, Table};

use super::{KNOWN_WRONG, rounded, types};

/// Burn's candidates for matrix products, and the one that it uses without autotuning.
fn matmul_strategies() -> Vec<Strategy> {
    use TileMatmulKind::{Cmma, Mma};
    let simple = |multi_rows, tile_matmul| SimpleArgs { multi_rows, tile_matmul };
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
        // Burn lists this one three times, with the same parameters.
        Levels::Gemm(Inferred(Default::default())),
        Levels::GemvUnitPerpendicular(Inferred(Default::default())),
    ];
    for tile_size in [TileSizeSelection::MaxTileSize, TileSizeSelection::MinTileSize] {
        levels.push(Levels::SimpleUnit(Inferred(SimpleUnitSelectionArgs { tile_size })));
        levels.push(Levels::DoubleUnit(Inferred(DoubleUnitSelectionArgs { tile_size })));
    }
    for rows in [false, true] {
        levels.push(Levels::SimpleCyclicCmma(Inferred(simple(rows, Cmma))));
        levels.push(Levels::SimpleCyclicMma(Inferred(simple(rows, Mma))));
        levels.push(Levels::SimpleTmaCmma(Inferred(simple(rows, Cmma))));
        levels.push(Levels::SimpleTmaMma(Inferred(simple(rows, Mma))));
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

/// Why software drivers skip some kernels at most shapes. GPU drivers compile all of them in
/// milliseconds.
const SLOW: &str = "takes up to half a minute to compile for each kind of shape on a processor";

/// Whether the kernel is too slow to compile, see [`SLOW`].
fn is_slow_to_compile(strategy: &Strategy) -> bool {
    match strategy {
        Strategy::MultiLevel(Levels::DoubleUnit(_)) | Strategy::Tiled(Tiled::CpuGemm(_)) => true,
        Strategy::MultiLevel(Levels::SimpleUnit(Inferred(args))) => {
            matches!(args.tile_size, TileSizeSelection::MinTileSize)
        }
        _ => false,
    }
}

#[test]
fn every_matrix_product_that_burn_chooses_among_is_right_at_the_networks_shapes() {
    let Some(client) = client() else { return };
    let _alone = alone();
    let mut table = Table::new("Matrix products at the networks' shapes");
    let mut products = shapes::products(batches());
    products.extend(shapes::heads(&BATCHES));
    for product in products {
        // Heads, and feature maps of at most 14x14.
        let is_of_few_sorts = shapes::products(&[1]).contains(&product) && product.rows <= 14 * 14;
        force_products(&client, product, is_of_few_sorts, &mut table);
    }
    table.finish(KNOWN_WRONG);
}

#[test]
fn every_matrix_product_that_burn_chooses_among_is_right_at_awkward_shapes() {
    let Some(client) = client() else { return };
    let _alone = alone();
    let mut table = Table::new("Matrix products at awkward shapes");
    for product in shapes::awkward_products() {
        let Product { rows, terms, columns, right } = product;
        // Odd numbers of tiles, and one shape that no tile divides.
        let is_of_few_sorts = (rows, columns) == (64, 64) && [16, 24, 40, 72, 160].contains(&terms)
            || (rows, terms, columns, right) == (67, 97, 61, Order::Rows);
        force_products(&client, product, is_of_few_sorts, &mut table);
    }
    table.finish(KNOWN_WRONG);
}

/// Tests each kernel. Software drivers test kernels that are [slow](SLOW) to compile only if
/// `slow_too` is set.
fn force_products(client: &Client, product: Product, slow_too: bool, table: &mut Table) {
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
        let name = strategy.to_string();
        if adapter::is_software() && !slow_too && is_slow_to_compile(&strategy) {
            table.row(&name, "matmul", &shape, Outcome::LeftOut(SLOW));
            continue;
        }
        let mut types = types();
        let output = run(client, &[rows, columns], |out| {
            cubek::matmul::launch::launch_ref(
                &strategy,
                client,
                InputBinding::new(left.clone().binding(), F32),
                InputBinding::new(right.clone().binding(), F32),
                out,
                &mut types,
            )
        });
        let outcome = match output {
            Ok(output) => rounded(&expected, &types).worst(&output).into(),
            Err(outcome) => outcome,
        };
        table.row(&name, "matmul", &shape, outcome);
    }
}
