//! The score of strangers, in a run folder and as the second output of an ONNX graph.

use std::collections::HashMap;
use std::fs;

use half::f16;
use kindling::export::onnx::proto::{DataType, ModelProto, NodeProto};
use kindling::export::{Format, Parts, Precision};
use kindling::neighbours::{Neighbours, TrainedOn, model_digest};
use kindling::run::{Model, NEIGHBOURS_FILE};
use kindling::weights::Checkpoint;
use prost::Message;

use crate::reference::{cpu, fixture};
use crate::run_folder::write;

/// The features of the narrow network.
const WIDTH: usize = 32;

fn rows(photos: usize, phase: f32) -> Vec<f32> {
    (0..photos * WIDTH).map(|index| 1.0 + (index as f32 * 0.37 + phase).sin()).collect()
}

fn neighbours() -> Neighbours {
    let (classes, groups): (Vec<usize>, _) = ((0..40).map(|photo| photo % 3).collect(), [None; 40]);
    let rows = rows(40, 0.0);
    let trained_on = TrainedOn { width: WIDTH, rows: &rows, classes: &classes, groups: &groups };
    Neighbours::of(trained_on, 0, &cpu()).unwrap()
}

#[test]
fn a_run_has_the_neighbours_of_its_own_model_alone() {
    let parent = tempfile::tempdir().unwrap();
    let run = parent.path().join("run");
    write(&run, false).unwrap();
    let file = run.join(NEIGHBOURS_FILE);
    let model = Model::open(&run, &cpu()).unwrap();
    assert_eq!((model.neighbours, model.notes.len()), (None, 0));
    let bytes = neighbours().to_bytes(&model_digest(&model.head));
    fs::write(&file, &bytes).unwrap();
    let model = Model::open(&run, &cpu()).unwrap();
    assert_eq!((model.neighbours, model.notes.len()), (Some(neighbours()), 0));
    // The model file alone has none.
    let alone = Model::open(&run.join("model.safetensors"), &cpu()).unwrap();
    assert_eq!(alone.neighbours, None);

    let other = neighbours().to_bytes("another model");
    let narrow =
        TrainedOn { width: 2, rows: &[1.0, 0.0, 0.0, 1.0], classes: &[0, 1], groups: &[None; 2] };
    let narrow = Neighbours::of(narrow, 0, &cpu()).unwrap().to_bytes(&model_digest(&model.head));
    for (content, reason) in [
        (&other[..], "belongs to another model"),
        (&narrow, "rows of 2 features, but the model computes 32"),
        (&bytes[..bytes.len() / 2], "is damaged"),
        (b"{}", "is damaged"),
    ] {
        fs::write(&file, content).unwrap();
        let model = Model::open(&run, &cpu()).unwrap();
        assert_eq!(model.neighbours, None);
        let [note] = model.notes.as_slice() else { panic!("{:?}", model.notes) };
        assert!(note.starts_with("there are no stranger scores: `"), "{note}");
        assert!(note.contains(reason) && note.len() < 300, "{note}");
    }
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    let [note] = &Model::open(&run, &cpu()).unwrap().notes[..] else { panic!("no note") };
    assert!(note.contains("it is not a regular file"), "{note}");
}

/// A table of values, `[rows, columns]`.
type Table = Vec<Vec<f64>>;

/// Runs a node of the second output, as the ONNX specification defines it.
fn run(node: &NodeProto, inputs: &[Table]) -> Table {
    let attribute = |name: &str| node.attribute.iter().find(|found| found.name() == name).unwrap();
    let one = |value: f64| vec![value];
    let map = |function: &dyn Fn(f64) -> f64| -> Table {
        inputs[0].iter().map(|row| row.iter().copied().map(function).collect()).collect()
    };
    let each = |function: &dyn Fn(&[f64]) -> Vec<f64>| -> Table {
        inputs[0].iter().map(|row| function(row)).collect()
    };
    match node.op_type() {
        "ReduceL2" => {
            assert_eq!((&attribute("axes").ints[..], attribute("keepdims").i()), (&[1][..], 1));
            each(&|row| one(row.iter().map(|value| value * value).sum::<f64>().sqrt()))
        }
        "Max" => map(&|value| value.max(inputs[1][0][0])),
        "Div" => {
            let lengths = inputs[0].iter().zip(&inputs[1]);
            lengths.map(|(row, by)| row.iter().map(|value| value / by[0]).collect()).collect()
        }
        "Cast" => inputs[0].clone(),
        "Gemm" => {
            assert_eq!(attribute("transB").i(), 1);
            let dot = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum();
            each(&|row| inputs[1].iter().map(|other| dot(row, other)).collect())
        }
        "TopK" => each(&|row| {
            let mut row = row.to_vec();
            row.sort_by(|one, other| other.total_cmp(one));
            row.truncate(inputs[1][0][0] as usize);
            row
        }),
        "ReduceMean" => {
            assert_eq!((&attribute("axes").ints[..], attribute("keepdims").i()), (&[1][..], 0));
            each(&|row| one(row.iter().sum::<f64>() / row.len() as f64))
        }
        "Sub" => inputs[1].iter().map(|row| one(inputs[0][0][0] - row[0])).collect(),
        "Relu" => map(&|value| value.max(0.0)),
        other => panic!("unexpected operator {other}"),
    }
}

#[test]
fn the_second_output_of_an_onnx_graph_is_the_score_of_strangers() {
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let model = Model::from_weights(&checkpoint, &cpu()).unwrap();
    let (description, neighbours) = (model.description(), neighbours());
    let queries = [rows(8, 0.2), vec![0.0; WIDTH], rows(1, 0.0)].concat();
    let expected = neighbours.scores(&queries, &cpu());
    for precision in [Precision::Full, Precision::Half] {
        let network = Parts::new(&model.backbone, &model.head, &description);
        let parts = Parts { neighbours: Some(&neighbours), ..network };
        let onnx = ModelProto::decode(&*Format::Onnx.write(parts, precision).unwrap()).unwrap();
        let entry = onnx.metadata_props.iter().find(|entry| entry.key() == "stranger_threshold");
        let threshold: f64 = entry.unwrap().value().parse().unwrap();
        assert_eq!(threshold, neighbours.threshold());
        assert!(onnx.doc_string().contains("stranger_score: [batch]"), "{}", onnx.doc_string());
        let graph = onnx.graph.unwrap();
        let outputs: Vec<&str> = graph.output.iter().map(|output| output.name()).collect();
        assert_eq!(outputs, ["logits", "stranger_score"]);
        let shape = graph.output[1].r#type.clone().unwrap().tensor_type.unwrap().shape.unwrap();
        assert_eq!(shape.dim.len(), 1);

        let mut known: HashMap<String, Table> = HashMap::new();
        for constant in &graph.initializer {
            let bytes = constant.raw_data();
            let values: Vec<f64> = match constant.data_type() {
                DataType::Float => bytes
                    .chunks_exact(4)
                    .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()).into())
                    .collect(),
                DataType::Float16 => bytes
                    .chunks_exact(2)
                    .map(|bytes| f16::from_le_bytes(bytes.try_into().unwrap()).into())
                    .collect(),
                DataType::Int64 => vec![i64::from_le_bytes(bytes.try_into().unwrap()) as f64],
                DataType::Undefined => panic!("{} has no type", constant.name()),
            };
            let columns = constant.dims.last().map_or(1, |length| *length as usize);
            known.insert(
                constant.name().to_owned(),
                values.chunks(columns).map(<[f64]>::to_vec).collect(),
            );
        }
        let features =
            queries.chunks(WIDTH).map(|row| row.iter().copied().map(f64::from).collect());
        known.insert("features".into(), features.collect());
        let begin = graph.node.iter().position(|node| node.name().starts_with("strangers."));
        for node in &graph.node[begin.unwrap()..] {
            let inputs: Vec<Table> = node.input.iter().map(|name| known[name].clone()).collect();
            known.insert(node.output[0].clone(), run(node, &inputs));
        }
        let scores = &known["stranger_score"];
        assert_eq!(scores.len(), expected.len());
        for (score, expected) in scores.iter().zip(&expected) {
            assert!((score[0] - expected).abs() < 1e-6, "{} {expected}", score[0]);
        }
        assert!(expected[9] < 0.1 && (expected[8] - 1.0).abs() < 1e-6, "{expected:?}");
    }
}
