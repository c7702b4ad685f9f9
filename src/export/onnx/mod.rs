//! Exports the whole network as an ONNX graph with the input `pixel_values` and the output
//! `logits`; with neighbours, there is a second output, `stranger_score`.
//!
//! The graph is generated from the backbone's [`Plan`](crate::plan::Plan), with BatchNorm
//! folded into the convolutions, as PyTorch's exporter does in eval mode. In full precision, a
//! runtime only needs the operators `Conv`, `Relu`, `Clip`, `MaxPool`, `Add`, `GlobalAveragePool`,
//! `Flatten` and `Gemm`; half precision adds `Cast`, and the second output `Cast`, `ReduceL2`,
//! `Max`, `Div`, `TopK`, `ReduceMean` and `Sub`. Nodes and constants are named after the published
//! tensors.
//!
//! Burn's own exporter (burn-onnx 0.22) is not used: it needs graph capture compiled into the whole
//! program, rejects input-dependent padding before strided convolutions if the batch size is
//! dynamic (EfficientNet-Lite's `SAME`), and supports neither half precision nor metadata. Here the
//! photo size is fixed by the preprocessing, so `SAME` becomes constant padding and the batch size
//! stays dynamic.

mod graph;
mod neighbours;
pub mod proto;

use prost::Message;

use self::graph::{Graph, int, window};
use self::proto::{
    DataType, DimensionProto, GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use super::{ExportError, Parts, Precision};
use crate::backbone::Tensors;
use crate::neighbours::Neighbours;
use crate::photos::{Fit, Preprocessing};
use crate::plan::{Operation, Planned, Unsupported, Value, Weights};
use crate::weights::{Description, Task};

/// Version of ONNX's operator set: 17, from 2022, which common runtimes support.
const OPSET: i64 = 17;
/// Version of the file format that was released with it.
const IR_VERSION: i64 = 8;
/// Name of the input: `[batch, 3, crop, crop]`, normalised, f32.
const INPUT: &str = "pixel_values";
/// Name of the output: `[batch, classes]`, f32.
const OUTPUT: &str = "logits";

/// Returns the whole network as the bytes of an ONNX file.
///
/// The `metadata_props` are the entries of the [`Description`] and a human-readable description.
/// With half precision, the graph also computes in f16; its input and output stay f32. The same
/// network always gives the same bytes.
///
/// # Errors
/// If the values cannot be read from the device, or the precision cannot represent them.
///
/// # Panics
/// If [`check`](crate::photos::Preprocessing::check) rejects the preprocessing.
pub fn onnx(parts: Parts, precision: Precision) -> Result<Vec<u8>, ExportError> {
    let Parts { backbone, head, description, neighbours } = parts;
    let mut graph = Graph {
        nodes: Vec::new(),
        constants: Vec::new(),
        naming: backbone.architecture().naming(),
        precision,
    };
    let weights = Weights::read(backbone.tensors())
        .map_err(|source| ExportError::Device { name: description.backbone.clone(), source })?;
    let plan = backbone.plan()?;
    weights.check(&plan)?;
    let side = description.preprocessing.crop as usize;
    let shapes = plan.shapes([side, side])?;

    let photos = match precision {
        Precision::Full => INPUT.to_owned(),
        Precision::Half => graph.cast(INPUT, &format!("{INPUT}.f16"), DataType::Float16),
    };
    let mut outputs: Vec<String> = Vec::with_capacity(plan.steps.len());
    for step in &plan.steps {
        let name_of = |value: &Value| match value {
            Value::Input => photos.clone(),
            Value::Output(index) => outputs[*index].clone(),
        };
        let sides = |value: &Value| match value {
            Value::Input => [side, side],
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
                let bias = graph.constant(
                    &format!("{name}.bias"),
                    &[convolution.out_channels],
                    &folded.bias,
                )?;
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
    let last = outputs.pop().ok_or_else(|| Unsupported::new("", "the network has no steps"))?;
    let features = graph.node("Flatten", "features", &[last], vec![int("axis", 1)]);
    graph.head(features.clone(), head)?;
    let mut output = vec![value_info(OUTPUT, &[head.classes()])];
    if let Some(neighbours) = neighbours {
        graph.strangers(&features, neighbours);
        output.push(value_info(neighbours::OUTPUT, &[]));
    }

    let mut entries = description.entries();
    let described = described(description, neighbours);
    entries.insert("description".to_owned(), described.clone());
    if let Some(neighbours) = neighbours {
        entries.insert(neighbours::THRESHOLD.to_owned(), neighbours.threshold().to_string());
    }
    let model = ModelProto {
        ir_version: Some(IR_VERSION),
        opset_import: vec![OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(OPSET),
        }],
        producer_name: Some("kindling".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        doc_string: Some(described),
        graph: Some(GraphProto {
            node: graph.nodes,
            name: Some(description.backbone.clone()),
            initializer: graph.constants,
            input: vec![value_info(INPUT, &[3, side, side])],
            output,
        }),
        metadata_props: entries
            .into_iter()
            .map(|(key, value)| StringStringEntryProto { key: Some(key), value: Some(value) })
            .collect(),
    };
    Ok(model.encode_to_vec())
}

/// An f32 tensor of shape `[batch, shape...]` with a dynamic batch size.
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

/// A human-readable description of the model and how to use it.
fn described(description: &Description, neighbours: Option<&Neighbours>) -> String {
    let Description { backbone, classes, preprocessing, task, .. } = description;
    let Preprocessing { resize, filter, crop, mean, std, fit } = preprocessing;
    let fitted = match fit {
        Fit::Crop => format!(
            "short side resized to {resize} ({filter}, antialiased), centre cropped to {crop} x {crop}"
        ),
        Fit::Pad => format!(
            "long side resized to {crop} ({filter}, antialiased), centred on {crop} x {crop} of the \
             colour {:?}",
            preprocessing.background()
        ),
        Fit::Stretch => format!("both sides resized to {crop} ({filter}, antialiased)"),
    };
    let mut text = format!(
        "{backbone}, an image classifier of {classes} classes. {INPUT}: RGB photos, {fitted}, scaled to 0..1, \
         minus the mean {mean:?} and divided by the deviation {std:?}, as [batch, 3, {crop}, {crop}]. {OUTPUT}: [batch, \
         {classes}]; {probabilities}.",
        classes = classes.len(),
        probabilities = match task {
            Task::SingleLabel => "their softmax is the classes' probabilities",
            Task::MultiLabel { .. } => {
                "the sigmoid of each is the probability that the photo shows the class, which it does from \
                 the class's threshold on (metadata `thresholds`)"
            }
        }
    );
    if let Some(neighbours) = neighbours {
        text += &format!(
            " {}: [batch], the mean cosine distance to the {} nearest training photos; a photo with a score \
             above {} (metadata `{}`) is unlike all of them.",
            neighbours::OUTPUT,
            neighbours.nearest(),
            neighbours.threshold(),
            neighbours::THRESHOLD
        );
    }
    text
}
