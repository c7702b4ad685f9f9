//! Exported files hold the trained model.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use burn::store::{BurnpackStore, FloatCastAdapter, ModuleSnapshot, bridge};
use burn::tensor::activation::relu;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{DType, Tensor};
use kindling::backbone::Tensors;
use kindling::backbone::architectures::resnet::ResNetConfig;
use kindling::export::onnx::proto::{DataType, ModelProto, NodeProto, TensorProto};
use kindling::export::{self, ExportError, Format, Parts, Precision};
use kindling::head::Head;
use kindling::photos::Preprocessing;
use kindling::run::{FrozenBackbone, Model};
use kindling::weights::{Checkpoint, Description};
use prost::Message;

use crate::reference::{Numbers, bits, committed, cpu, fixture, relative_error};

/// The narrow network. The names of its 10 classes need escaping.
fn narrow() -> Model {
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let classes = (0..10).map(|class| format!("class \"{class}\" é")).collect();
    Model { classes, ..Model::from_weights(&checkpoint, &cpu()).unwrap() }
}

fn efficientnet() -> Model {
    let file = committed("weights/efficientnet-lite0.safetensors");
    Model::from_weights(&Checkpoint::open(&file).unwrap(), &cpu()).unwrap()
}

fn written(model: &Model, format: Format, precision: Precision) -> Vec<u8> {
    written_as(model, &model.description(), format, precision).unwrap()
}

fn written_as(
    model: &Model,
    description: &Description,
    format: Format,
    precision: Precision,
) -> Result<Vec<u8>, ExportError> {
    let parts = Parts::new(&model.backbone, &model.head, description);
    format.write(parts, precision)
}

/// A file with this content in a new folder, outside any run.
fn file(content: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("moved");
    fs::write(&path, content).unwrap();
    (folder, path)
}

#[test]
fn safetensors_and_burnpack_files_are_read_back_bit_for_bit_with_their_classes() {
    for model in [narrow(), efficientnet()] {
        for format in [Format::Safetensors, Format::Burnpack] {
            let (_folder, path) = file(&written(&model, format, Precision::Full));
            let read = Model::open(&path, &cpu()).unwrap();
            assert_eq!(bits(&read.backbone), bits(&model.backbone), "{format}");
            assert_eq!(bits(&read.head), bits(&model.head), "{format}");
            assert_eq!(read.description(), model.description(), "{format}");
            assert_eq!(
                FrozenBackbone::open(&path, &cpu()).unwrap().preprocessing,
                model.preprocessing
            );
        }
    }
}

#[test]
fn the_same_network_gives_the_same_bytes_in_every_format() {
    for format in Format::ALL {
        for precision in [Precision::Full, Precision::Half] {
            let [one, other] = [(); 2].map(|()| written(&narrow(), format, precision));
            assert!(one == other, "{format} {precision}");
        }
    }
}

#[test]
fn burns_own_store_loads_a_burnpack_file_into_the_same_module() {
    let model = narrow();
    let (_folder, path) = file(&written(&model, Format::Burnpack, Precision::Full));
    let store = || BurnpackStore::from_file(&path).auto_extension(false);
    let mut resnet = ResNetConfig { blocks: [2, 2, 2, 2], width: 4 }.init(&cpu());
    resnet.load_from(&mut store()).unwrap();
    let mut head = Head::zeros(32, 10, &cpu());
    head.load_from(&mut store()).unwrap();
    assert_eq!(bits(&resnet), bits(&model.backbone));
    assert_eq!(bits(&head), bits(&model.head));

    // Half precision comes back as f32 through Burn's own cast.
    let (_folder, path) = file(&written(&model, Format::Burnpack, Precision::Half));
    let store = BurnpackStore::from_file(&path).auto_extension(false);
    resnet.load_from(&mut store.with_from_adapter(FloatCastAdapter::to(DType::F32))).unwrap();
    assert_eq!(bits(&resnet), bits(&Model::open(&path, &cpu()).unwrap().backbone));
}

#[test]
fn half_precision_keeps_each_value_within_half_a_unit_in_the_last_place() {
    let full = narrow();
    for format in [Format::Safetensors, Format::Burnpack] {
        let (_folder, path) = file(&written(&full, format, Precision::Half));
        let half = Model::open(&path, &cpu()).unwrap();
        let values = |model: &Model| -> Vec<(String, Vec<f32>)> {
            let tensors = model.backbone.tensors().into_iter().chain(model.head.tensors());
            tensors
                .map(|tensor| {
                    let data = bridge::to_data(&tensor).unwrap();
                    (tensor.name, data.iter::<f32>().collect())
                })
                .collect()
        };
        let mut rounded = 0;
        for ((name, full), (_, half)) in values(&full).into_iter().zip(values(&half)) {
            assert_eq!(full.len(), half.len());
            for (full, half) in full.into_iter().zip(half) {
                // f16 has 11 significant bits, so half a unit in the last place is at most 2^-11 of
                // the value. Below 2^-14 the unit is constant, 2^-24.
                let bound = (full.abs() * 2f32.powi(-11)).max(2f32.powi(-25));
                assert!((full - half).abs() <= bound, "{format} {name}: {full} became {half}");
                rounded += usize::from(full != half);
            }
        }
        assert!(rounded > 1000, "only {rounded} values were rounded");
    }
}

#[test]
fn a_value_outside_the_f16_range_is_an_error_that_names_its_tensor() {
    let mut model = narrow();
    let mut tensors = model.head.tensors();
    let bias = tensors.iter_mut().find(|tensor| tensor.name == "fc.bias").unwrap();
    let values = Numbers { shape: vec![10], values: vec![7e4; 10] }.on::<1>(&cpu()).into_data();
    *bias = bridge::from_data(values, "fc.bias".into(), None);
    model.head.fill(tensors).unwrap();
    for format in Format::ALL {
        let write = |precision| written_as(&model, &model.description(), format, precision);
        let error = write(Precision::Half).unwrap_err();
        assert!(matches!(&error, ExportError::HalfRange { name, .. } if name == "fc.bias"));
        assert!(error.to_string().contains("without --f16"), "{error}");
        write(Precision::Full).unwrap();
    }
}

#[test]
fn a_file_with_wrong_metadata_is_refused() {
    let model = narrow();
    let good = model.description();
    for (description, expected) in [
        (
            Description { classes: vec!["one".into(); 3], ..good.clone() },
            "names 3 classes, but its fc layer has 10",
        ),
        (
            Description {
                preprocessing: Preprocessing { crop: 0, ..good.preprocessing },
                ..good.clone()
            },
            "its preprocessing is invalid",
        ),
        (Description { backbone: "resnet34".into(), ..good.clone() }, "claims to hold resnet34"),
    ] {
        for format in [Format::Safetensors, Format::Burnpack] {
            let bytes = written_as(&model, &description, format, Precision::Full).unwrap();
            let (_folder, path) = file(&bytes);
            let Err(error) = Model::open(&path, &cpu()) else { panic!("{expected}") };
            let message = std::error::Error::source(&error).unwrap().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}

#[test]
fn damaged_burnpack_files_are_errors_and_never_panics() {
    let whole = written(&narrow(), Format::Burnpack, Precision::Full);
    let mut changed = whole.clone();
    // These bytes are among the names and shapes.
    changed[200..220].fill(0xff);
    for content in [&whole[..8], &whole[..300], &whole[..whole.len() / 2], &changed] {
        let (_folder, path) = file(content);
        let Err(error) = Checkpoint::open(&path) else { panic!("{} bytes", content.len()) };
        assert!(error.to_string().contains("is not a valid burnpack file"), "{error}");
    }
}

/// A minimal ONNX interpreter: a graph's constants, and an implementation of its operators.
struct Runtime {
    constants: HashMap<String, Numbers>,
}

impl Runtime {
    fn new(constants: &[TensorProto]) -> Self {
        let read = |tensor: &TensorProto| {
            assert_eq!(tensor.data_type(), DataType::Float);
            let values: Vec<f32> = tensor
                .raw_data()
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
                .collect();
            let shape: Vec<usize> = tensor.dims.iter().map(|length| *length as usize).collect();
            assert_eq!(values.len(), shape.iter().product::<usize>(), "{}", tensor.name());
            (tensor.name().to_owned(), Numbers { shape, values })
        };
        Self { constants: constants.iter().map(read).collect() }
    }

    fn constant<const D: usize>(&self, name: &str) -> Tensor<D> {
        self.constants[name].on(&cpu())
    }

    /// The output of `node` for `inputs`, as the ONNX specification defines it.
    fn run(&self, node: &NodeProto, inputs: &[Tensor<4>]) -> Tensor<4> {
        let ints = |name: &str| -> Vec<usize> {
            let attribute = node.attribute.iter().find(|found| found.name() == name).unwrap();
            attribute.ints.iter().map(|value| *value as usize).collect()
        };
        let x = inputs[0].clone();
        match node.op_type() {
            "Conv" => {
                let group = node.attribute.iter().find(|found| found.name() == "group").unwrap();
                let (strides, pads) = (ints("strides"), ints("pads"));
                let options = ConvOptions::new_with_padding(
                    [strides[0], strides[1]],
                    [(pads[0], pads[2]), (pads[1], pads[3])],
                    [1, 1],
                    group.i() as usize,
                );
                let kernels = self.constant::<4>(&node.input[1]);
                assert_eq!(kernels.dims()[2..], ints("kernel_shape"));
                conv2d(x, kernels, Some(self.constant::<1>(&node.input[2])), options)
            }
            "Relu" => relu(x),
            "Clip" => {
                let [min, max] = [1, 2].map(|input| {
                    let bound = &self.constants[&node.input[input]];
                    assert!(bound.shape.is_empty());
                    bound.values[0]
                });
                x.clamp(min, max)
            }
            "Add" => x + inputs[1].clone(),
            "MaxPool" => {
                let [kernel, strides, pads] = ["kernel_shape", "strides", "pads"].map(ints);
                let options = MaxPoolOptions::new([kernel[0], kernel[1]])
                    .with_stride([strides[0], strides[1]])
                    .with_padding_pairs([(pads[0], pads[2]), (pads[1], pads[3])]);
                max_pool2d(x, options)
            }
            "GlobalAveragePool" => x.mean_dim(3).mean_dim(2),
            "Flatten" => x,
            "Gemm" => {
                let weight = self.constant::<2>(&node.input[1]).transpose();
                let bias = self.constant::<1>(&node.input[2]).unsqueeze::<2>();
                let logits = x.flatten::<2>(1, 3).matmul(weight) + bias;
                logits.unsqueeze_dims(&[2, 3])
            }
            other => panic!("unexpected operator {other}"),
        }
    }
}

#[test]
fn an_onnx_graph_run_node_by_node_gives_the_networks_logits() {
    for model in [narrow(), efficientnet()] {
        let side = model.preprocessing.crop as usize;
        // Two different photos: waves of several lengths, on the scale of normalised pixels.
        let values = (0..2 * 3 * side * side)
            .map(|index| (index as f32 * 0.37).sin() + (index as f32 * 0.0013).cos())
            .collect();
        let photos = Numbers { shape: vec![2, 3, side, side], values };
        let logits = model.head.forward(model.backbone.forward(photos.on(&cpu())));
        let expected =
            Numbers { shape: logits.dims().to_vec(), values: logits.into_data().iter().collect() };

        let bytes = written(&model, Format::Onnx, Precision::Full);
        let graph = ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap();
        let runtime = Runtime::new(&graph.initializer);
        let mut known = HashMap::from([("pixel_values".to_owned(), photos.on(&cpu()))]);
        for node in &graph.node {
            let inputs: Vec<Tensor<4>> =
                node.input.iter().filter_map(|name| known.get(name).cloned()).collect();
            let constants =
                node.input.iter().filter(|name| runtime.constants.contains_key(*name)).count();
            assert_eq!(inputs.len() + constants, node.input.len(), "{} reads", node.name());
            assert_eq!(node.output.len(), 1);
            known.insert(node.output[0].clone(), runtime.run(node, &inputs));
        }
        let logits = known["logits"].clone().flatten::<2>(1, 3);
        let error = relative_error(logits, &expected);
        println!("{}: logits off by {error:.1e} of the largest", model.description().backbone);
        // The bound of a plan's features (see `plans`); the head adds one more layer.
        assert!(error < 1e-5, "{error}");
    }
}

#[test]
fn an_onnx_file_has_metadata_and_the_published_tensor_names() {
    let model = narrow();
    let bytes = written(&model, Format::Onnx, Precision::Full);
    let onnx = ModelProto::decode(bytes.as_slice()).unwrap();
    assert_eq!((onnx.ir_version(), onnx.producer_name()), (8, "kindling"));
    assert_eq!(onnx.producer_version(), env!("CARGO_PKG_VERSION"));
    assert_eq!((onnx.opset_import[0].domain(), onnx.opset_import[0].version()), ("", 17));
    let entries = onnx
        .metadata_props
        .iter()
        .map(|entry| (entry.key().to_owned(), entry.value().to_owned()))
        .collect();
    assert_eq!(Description::read(&entries).unwrap().unwrap(), model.description());
    assert!(entries["description"].contains("short side resized to 256 (bilinear"));
    assert_eq!(onnx.doc_string(), entries["description"]);

    let graph = onnx.graph.unwrap();
    let shape = |info: &kindling::export::onnx::proto::ValueInfoProto| -> Vec<String> {
        let tensor = info.r#type.clone().unwrap().tensor_type.unwrap();
        assert_eq!(tensor.elem_type(), DataType::Float);
        let axes = tensor.shape.unwrap().dim;
        axes.iter()
            .map(|axis| axis.dim_param.clone().unwrap_or_else(|| axis.dim_value().to_string()))
            .collect()
    };
    assert_eq!((graph.input[0].name(), graph.output[0].name()), ("pixel_values", "logits"));
    assert_eq!(shape(&graph.input[0]), ["batch", "3", "224", "224"]);
    assert_eq!(shape(&graph.output[0]), ["batch", "10"]);
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let mut kernels = 0;
    for constant in &graph.initializer {
        let shape: Vec<usize> = constant.dims.iter().map(|length| *length as usize).collect();
        match constant.name().strip_suffix(".weight") {
            Some(_) => {
                assert_eq!(checkpoint.shape(constant.name()), Some(shape), "{}", constant.name());
                kernels += 1;
            }
            None => assert!(constant.name().ends_with(".bias"), "{}", constant.name()),
        }
    }
    assert_eq!((kernels, graph.initializer.len()), (21, 42));
    assert!(graph.node.iter().any(|node| node.name() == "layer2.0.downsample.0"));
}

#[test]
fn a_half_precision_onnx_graph_computes_in_f16_with_f32_input_and_output() {
    for model in [narrow(), efficientnet()] {
        let bytes = written(&model, Format::Onnx, Precision::Half);
        let graph = ModelProto::decode(bytes.as_slice()).unwrap().graph.unwrap();
        assert!(graph.initializer.iter().all(|constant| constant.data_type() == DataType::Float16));
        let casts: Vec<_> = graph
            .node
            .iter()
            .filter(|node| node.op_type() == "Cast")
            .map(|node| (node.input[0].as_str(), node.output[0].as_str(), node.attribute[0].i()))
            .collect();
        assert_eq!(casts, [("pixel_values", "pixel_values.f16", 10), ("logits.f16", "logits", 1)]);
        let reads = |name: &str| {
            graph.node.iter().filter(|node| node.input.iter().any(|input| input == name)).count()
        };
        assert_eq!((reads("pixel_values"), reads("pixel_values.f16")), (1, 1));
        assert_eq!(graph.output[0].name(), "logits");
        let full = written(&model, Format::Onnx, Precision::Full);
        assert!(bytes.len() < full.len() * 55 / 100, "{} of {}", bytes.len(), full.len());
    }
}

#[test]
fn the_file_extension_selects_the_format() {
    for (name, format) in [
        ("a.safetensors", Some(Format::Safetensors)),
        ("b/model.v2.ONNX", Some(Format::Onnx)),
        ("c.bpk", Some(Format::Burnpack)),
        ("onnx", None),
        (".onnx", None),
        ("d.pth", None),
    ] {
        assert_eq!(Format::of_file(name.as_ref()), format, "{name}");
    }
    assert_eq!(export::Format::ALL.map(|format| format.to_string())[2], "burnpack");
}
