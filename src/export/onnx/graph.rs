//! Builds an ONNX graph node by node.

use super::OUTPUT;
use super::proto::{AttributeProto, AttributeType, DataType, NodeProto, TensorProto};
use crate::backbone::{Naming, Tensors};
use crate::export::numbers::{bytes, values};
use crate::export::{ExportError, Precision};
use crate::plan::{Activation, Padding};

/// An ONNX graph under construction.
pub(super) struct Graph {
    pub(super) nodes: Vec<NodeProto>,
    pub(super) constants: Vec<TensorProto>,
    pub(super) naming: Naming,
    pub(super) precision: Precision,
}

impl Graph {
    /// Adds a node and returns the name of its output, which is `name`.
    pub(super) fn node(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[String],
        attribute: Vec<AttributeProto>,
    ) -> String {
        self.nodes.push(NodeProto {
            input: inputs.to_vec(),
            output: vec![name.to_owned()],
            name: Some(name.to_owned()),
            op_type: Some(operator.to_owned()),
            attribute,
        });
        name.to_owned()
    }

    /// Adds a constant and returns its name.
    pub(super) fn constant(
        &mut self,
        name: &str,
        shape: &[usize],
        values: &[f32],
    ) -> Result<String, ExportError> {
        let data_type = match self.precision {
            Precision::Full => DataType::Float,
            Precision::Half => DataType::Float16,
        };
        self.constants.push(TensorProto {
            dims: shape.iter().map(|length| *length as i64).collect(),
            data_type: Some(data_type.into()),
            name: Some(name.to_owned()),
            raw_data: Some(bytes(name, values, self.precision)?),
        });
        Ok(name.to_owned())
    }

    /// Adds the activation of the module `name` and returns the name of its output.
    pub(super) fn activation(
        &mut self,
        x: String,
        name: &str,
        activation: Activation,
    ) -> Result<String, ExportError> {
        match activation {
            Activation::None => Ok(x),
            Activation::Relu => Ok(self.node("Relu", &format!("{name}.relu"), &[x], vec![])),
            Activation::Relu6 => {
                let bounds = [("relu6.min", 0.0), ("relu6.max", 6.0)];
                if !self.constants.iter().any(|known| known.name() == bounds[0].0) {
                    for (name, bound) in bounds {
                        self.constant(name, &[], &[bound])?;
                    }
                }
                let [min, max] = bounds.map(|(name, _)| name.to_owned());
                Ok(self.node("Clip", &format!("{name}.relu6"), &[x, min, max], vec![]))
            }
        }
    }

    /// Adds the fully connected layer, whose output is the output of the graph.
    pub(super) fn head(
        &mut self,
        features: String,
        head: &impl Tensors,
    ) -> Result<(), ExportError> {
        let name = self.module("fc");
        let mut inputs = vec![features];
        // `Gemm` takes the weight, `[classes, features]`, before the bias, `[classes]`.
        let mut tensors = head.tensors();
        tensors.sort_by_key(|tensor| tensor.shape.len() == 1);
        for tensor in tensors {
            let published = self.naming.published(&tensor.name);
            inputs.push(self.constant(&published, &tensor.shape.to_vec(), &values(&tensor)?)?);
        }
        let transposed = vec![int("transB", 1)];
        let output = match self.precision {
            Precision::Full => OUTPUT.to_owned(),
            Precision::Half => format!("{OUTPUT}.f16"),
        };
        self.node("Gemm", &name, &inputs, transposed);
        self.nodes.last_mut().expect("it was just added").output = vec![output.clone()];
        if self.precision == Precision::Half {
            self.cast(&output, OUTPUT, DataType::Float);
        }
        Ok(())
    }

    /// Adds a conversion of `from` to `data_type`, named `to`.
    pub(super) fn cast(&mut self, from: &str, to: &str, data_type: DataType) -> String {
        let to_type = int("to", i32::from(data_type).into());
        self.node("Cast", to, &[from.to_owned()], vec![to_type])
    }

    /// The published name of a module.
    pub(super) fn module(&self, name: &str) -> String {
        // The renaming rules only match names followed by a dot.
        let name = self.naming.published(&format!("{name}."));
        name.trim_end_matches('.').to_owned()
    }
}

/// The attributes of a convolution or pooling window over an input of size `[height, width]`.
pub(super) fn window(
    kernel: usize,
    stride: usize,
    padding: Padding,
    sides: [usize; 2],
) -> Vec<AttributeProto> {
    let [[top, bottom], [left, right]] = sides.map(|side| padding.around(side, kernel, stride));
    vec![
        ints("kernel_shape", &[kernel, kernel]),
        ints("strides", &[stride, stride]),
        ints("pads", &[top, left, bottom, right]),
    ]
}

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        i: Some(value),
        r#type: Some(AttributeType::Int.into()),
        ..AttributeProto::default()
    }
}

pub(super) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    AttributeProto {
        name: Some(name.to_owned()),
        ints: values.iter().map(|value| *value as i64).collect(),
        r#type: Some(AttributeType::Ints.into()),
        ..AttributeProto::default()
    }
}
