//! The second output of a graph: the score of strangers.

use half::slice::HalfFloatSliceExt;

use super::graph::{Graph, int, ints};
use super::proto::{DataType, TensorProto};
use crate::export::Precision;
use crate::neighbours::Neighbours;

/// Name of the output: `[batch]`, f32.
pub(super) const OUTPUT: &str = "stranger_score";
/// Key of the score above which a photo is a stranger, in the metadata.
pub(super) const THRESHOLD: &str = "stranger_threshold";

impl Graph {
    /// Adds the [score](crate::neighbours) of `features`, `[batch, width]`, as an output of the
    /// graph.
    ///
    /// The photos are stored in f16, as in the run, and everything is computed in f32: in f16,
    /// products of rows of length 1 would keep three digits.
    pub(super) fn strangers(&mut self, features: &str, neighbours: &Neighbours) {
        let named = |part: &str| format!("strangers.{part}");
        let features = match self.precision {
            Precision::Full => features.to_owned(),
            Precision::Half => self.cast(features, &named("features"), DataType::Float),
        };
        let over_features = vec![ints("axes", &[1]), int("keepdims", 1)];
        let length =
            self.node("ReduceL2", &named("length"), std::slice::from_ref(&features), over_features);
        // Features of zeros are divided by a small number instead of 0.
        let tiny =
            self.plain(&named("tiny"), &[], DataType::Float, f32::MIN_POSITIVE.to_le_bytes());
        let length = self.node("Max", &named("positive_length"), &[length, tiny], vec![]);
        let units = self.node("Div", &named("units"), &[features, length], vec![]);
        let shape = [neighbours.photos(), neighbours.width()];
        let rows: Vec<u8> = neighbours
            .rows()
            .reinterpret_cast()
            .iter()
            .flat_map(|bits| bits.to_le_bytes())
            .collect();
        let rows = self.plain(&named("photos.f16"), &shape, DataType::Float16, rows);
        let rows = self.cast(&rows, &named("photos"), DataType::Float);
        let transposed = vec![int("transB", 1)];
        let similarities = self.node("Gemm", &named("similarities"), &[units, rows], transposed);
        let count = (neighbours.nearest() as i64).to_le_bytes();
        let count = self.plain(&named("count"), &[1], DataType::Int64, count);
        let nearest = self.node("TopK", &named("nearest"), &[similarities, count], vec![]);
        let top = self.nodes.last_mut().expect("it was just added");
        top.output.push(named("indices"));
        let over_nearest = vec![ints("axes", &[1]), int("keepdims", 0)];
        let mean = self.node("ReduceMean", &named("mean"), &[nearest], over_nearest);
        let one = self.plain(&named("one"), &[], DataType::Float, 1.0_f32.to_le_bytes());
        let distance = self.node("Sub", &named("distance"), &[one, mean], vec![]);
        // Rounding to f16 may give a photo a similarity of a little more than 1 to itself.
        self.node("Relu", OUTPUT, &[distance], vec![]);
    }

    /// Adds a constant of a type of its own, whatever the precision of the graph.
    fn plain(
        &mut self,
        name: &str,
        shape: &[usize],
        data_type: DataType,
        values: impl Into<Vec<u8>>,
    ) -> String {
        self.constants.push(TensorProto {
            dims: shape.iter().map(|length| *length as i64).collect(),
            data_type: Some(data_type.into()),
            name: Some(name.to_owned()),
            raw_data: Some(values.into()),
        });
        name.to_owned()
    }
}
