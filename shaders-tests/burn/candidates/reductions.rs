//! Sums, means and maxima along an axis, as used by the head's loss and its gradient.

use cubecl::client::Client;
use cubek::reduce::components::instructions::ReduceOperationConfig as Operation;
use cubek::reduce::launch::{RoutineStrategy, VectorizationStrategy};
use cubek::reduce::routines::BlueprintStrategy::Inferred;
use cubek::reduce::routines::cube::CubeStrategy;
use cubek::reduce::routines::plane::PlaneStrategy;
use cubek::reduce::routines::unit::UnitStrategy;
use cubek::reduce::{ReduceStrategy, reduce};

use crate::launch::{F32, alone, force, input};
use kindling::kernels::reference::{Expected, Reference, values};
use shaders_tests::BATCHES;
use shaders_tests::adapter::client;
use shaders_tests::table::Table;

use super::KNOWN_WRONG;

/// Burn's candidates for reductions, with their names in Burn's autotuning.
fn reducers() -> Vec<(String, ReduceStrategy)> {
    let mut reducers = Vec::new();
    for (suffix, parallel_output_vectorization) in
        [("_vectorized_parallel_reduce", true), ("", false)]
    {
        for (name, routine) in [
            ("unit", RoutineStrategy::Unit(Inferred(UnitStrategy))),
            ("plane", RoutineStrategy::Plane(Inferred(PlaneStrategy { independent: true }))),
            ("cube", RoutineStrategy::Cube(Inferred(CubeStrategy { use_planes: true }))),
        ] {
            let strategy = ReduceStrategy {
                routine,
                vectorization: VectorizationStrategy { parallel_output_vectorization },
                autotune_level: Default::default(),
            };
            reducers.push((format!("{name}{suffix}"), strategy));
        }
    }
    reducers
}

#[test]
fn every_reduction_that_burn_chooses_among_is_right() {
    let Some(client) = client() else { return };
    let _alone = alone();
    let mut table = Table::new("Reductions");
    let heads =
        BATCHES.into_iter().flat_map(|rows| [2, 37, 1000, 1280].map(|columns| [rows, columns]));
    let awkward = [[1, 1], [7, 13], [5, 4097], [4097, 5], [64, 64], [129, 1]];
    for shape in heads.chain(awkward) {
        for axis in [0, 1] {
            force_reductions(&client, shape, axis, &mut table);
        }
    }
    table.finish(KNOWN_WRONG);
}

fn force_reductions(client: &Client, shape: [usize; 2], axis: usize, table: &mut Table) {
    let [rows, columns] = shape;
    let matrix = values(rows * columns, 5);
    let mut reduced = shape;
    reduced[axis] = 1;
    let terms = shape[axis];
    let value = |at: [usize; 2], k: usize| {
        let [row, column] = if axis == 0 { [k, at[1]] } else { [at[0], k] };
        f64::from(matrix[row * columns + column])
    };
    let uploaded = input(client, &matrix, &shape);
    for (op, operation) in
        [("sum", Operation::Sum), ("mean", Operation::Mean), ("max", Operation::Max)]
    {
        let expected = Expected::of(reduced, |at| {
            let values = (0..terms).map(|k| value(at, k));
            match operation {
                Operation::Max => Reference::unrounded(values.fold(f64::NEG_INFINITY, f64::max)),
                Operation::Mean => {
                    Reference::sum(terms, values.map(|value| value / terms as f64)).divided()
                }
                _ => Reference::sum(terms, values),
            }
        });
        for (name, strategy) in reducers() {
            let outcome = force(client, &reduced, &expected, |out| {
                let types = operation.precision(F32, None);
                reduce(client, uploaded.clone().binding(), out, axis, strategy, operation, types)
            });
            table.row(
                &format!("reduce_{name}"),
                op,
                &format!("{rows}x{columns} along {axis}"),
                outcome,
            );
        }
    }
}
