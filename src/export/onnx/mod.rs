//! The whole network as an ONNX graph: `pixel_values` in, `logits` out.
//!
//! Written from the backbone's [`Plan`](crate::backbone::Plan), with BatchNorm folded into the convolutions as
//! PyTorch's exporter does in eval mode: `Conv`, `Relu`, `Clip`, `MaxPool`, `Add`, `GlobalAveragePool`, `Flatten` and
//! `Gemm` are all that a runtime must know. Nodes and constants are named after the published
//! tensors.
//!
//! Burn's own exporter (burn-onnx 0.22) is not used: it needs graph capture compiled into the whole
//! program, rejects padding that depends on the input before strided convolutions when the batch is dynamic
//! (EfficientNet-Lite's `SAME`), and has neither half precision nor metadata. Here the photo's size is the recipe's,
//! so `SAME` becomes plain numbers, and the batch stays open.

mod graph;
pub mod proto;

use prost::Message;

use self::graph::{Graph, int, window};
use self::proto::{
    DataType, DimensionProto, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::{ExportError, Parts, Precision};
use crate::backbone::Planned;
use crate::backbone::folding::Weights;
use crate::backbone::plan::{Operation, Value};
use crate::photos::Recipe;
use crate::weights::Description;

/// The version of ONNX's operators: of 2022, which every runtime in use has.
const OPSET: i64 = 17;
/// The version of the format that came with it.
const IR_VERSION: i64 = 8;
/// What goes in: `[batch, 3, crop, crop]`, normalised, f32.
const INPUT: &str = "pixel_values";
/// What comes out: `[batch, classes]`, f32.
const OUTPUT: &str = "logits";

/// The whole network as the bytes of an ONNX file. The
/// [`Description`]'s entries, and a description for people, are its `metadata_props`. With half precision it computes
/// in f16 too, and takes and gives f32. The same network gives the same bytes.
///
/// # Errors
/// Where the device does not give the values back, or the precision cannot hold them.
///
/// # Panics
/// Where the recipe is one that [`check`](crate::photos::Recipe::check) refuses.
pub fn onnx(parts: Parts, precision: Precision) -> Result<Vec<u8>, ExportError> {
    let Parts { backbone, head, description } = parts;
    let mut graph = Graph {
        nodes: Vec::new(),
        constants: Vec::new(),
        naming: backbone.architecture().naming(),
        precision,
    };
    let weights = Weights::of(backbone)
        .map_err(|source| ExportError::Device { name: description.backbone.clone(), source })?;
    let plan = backbone.plan();
    let side = description.recipe.crop as usize;
    let shapes = plan.shapes([side, side]);

    let photos = match precision {
        Precision::Full => INPUT.to_owned(),
        Precision::Half => graph.cast(INPUT, &format!("{INPUT}.f16"), DataType::Float16),
    };
    let mut outputs: Vec<String> = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let name_of = |value: &Value| match value {
            Value::Photos => photos.clone(),
            Value::Output(index) => outputs[*index].clone(),
        };
        let sides = |value: &Value| match value {
            Value::Photos => [side, side],
            Value::Output(index) => [shapes[*index][1], shapes[*index][2]],
        };
        let output = match &step.operation {
            Operation::Convolution { input, convolution } => {
                let folded = convolution.folded(&weights);
                let name = graph.module(&step.name);
                let kernels = graph.constant(
                    &format!("{name}.weight"),
                    &convolution.weight_shape(),
                    &folded.weight,
                )?;
                let bias =
                    graph.constant(&format!("{name}.bias"), &[convolution.to], &folded.bias)?;
                let (kernel, stride) = (convolution.kernel, convolution.stride);
                let mut attributes = window(kernel, stride, convolution.padding, sides(input));
                attributes.push(int("group", convolution.groups as i64));
                let x = graph.node("Conv", &name, &[name_of(input), kernels, bias], attributes);
                graph.activation(x, &name, convolution.activation)?
            }
            Operation::MaxPool { input, kernel, stride, padding } => {
                let attributes = window(*kernel, *stride, *padding, sides(input));
                graph.node("MaxPool", &step.name, &[name_of(input)], attributes)
            }
            Operation::Add { inputs, activation } => {
                let name = graph.module(&step.name);
                let x = graph.node("Add", &name, &inputs.each_ref().map(name_of), vec![]);
                graph.activation(x, &name, *activation)?
            }
            Operation::GlobalAveragePool { input } => {
                graph.node("GlobalAveragePool", &step.name, &[name_of(input)], vec![])
            }
        };
        outputs.push(output);
    }
    let last = outputs.pop().expect("a plan has steps");
    let features = graph.node("Flatten", "features", &[last], vec![int("axis", 1)]);
    graph.head(features, head)?;

    let mut entries = description.entries();
    let told = told(description);
    entries.insert("description".to_owned(), told.clone());
    let model = ModelProto {
        ir_version: Some(IR_VERSION),
        opset_import: vec![OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(OPSET),
        }],
        producer_name: Some("kindling".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        doc_string: Some(told),
        graph: Some(GraphProto {
            node: graph.nodes,
            name: Some(description.backbone.clone()),
            initializer: graph.constants,
            input: vec![value_info(INPUT, &[3, side, side])],
            output: vec![value_info(OUTPUT, &[head.classes()])],
        }),
        metadata_props: entries
            .into_iter()
            .map(|(key, value)| StringStringEntryProto { key: Some(key), value: Some(value) })
            .collect(),
    };
    Ok(model.encode_to_vec())
}

/// An f32 tensor of this shape behind an open number of photos.
fn value_info(name: &str, shape: &[usize]) -> ValueInfoProto {
    let batch = DimensionProto { dim_param: Some("batch".to_owned()), dim_value: None };
    let fixed = shape
        .iter()
        .map(|length| DimensionProto { dim_value: Some(*length as i64), dim_param: None });
    let dim = std::iter::once(batch).chain(fixed).collect();
    let tensor_type = TensorTypeProto {
        elem_type: Some(DataType::Float.into()),
        shape: Some(TensorShapeProto { dim }),
    };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: Some(tensor_type) }),
    }
}

/// What the model is and how it is used.
fn told(description: &Description) -> String {
    let Description { backbone, classes, recipe } = description;
    let Recipe { resize, filter, crop, mean, std } = recipe;
    format!(
        "{backbone}, an image classifier of {classes} classes. {INPUT}: RGB photos, short side resized to \
         {resize} ({filter}, antialiased), centre cropped to {crop} x {crop}, scaled to 0..1, less the mean \
         {mean:?} and divided by the deviation {std:?}, as [batch, 3, {crop}, {crop}]. {OUTPUT}: [batch, \
         {classes}]; their softmax is the classes' probabilities.",
        classes = classes.len()
    )
}
