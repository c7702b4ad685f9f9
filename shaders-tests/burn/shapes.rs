//! The shapes of the networks' operations, taken from their plans, and awkward shapes.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use burn::tensor::Device;
use kindling::backbone::Architecture;
use kindling::plan::{Activation, Operation, Planned, Value};

use shaders_tests::BATCHES;

use crate::problem::{Conv, MaxPool, Order, Product};

/// The side of a photo.
const SIDE: usize = 224;

/// The operations of both networks for one photo, each shape once.
#[derive(Debug, Default)]
pub struct Ops {
    pub convs: BTreeSet<Conv>,
    pub max_pools: BTreeSet<MaxPool>,
    /// `[channels, height, width]` of the shortcut additions, and the activation that follows.
    pub sums: Vec<([usize; 3], Activation)>,
    /// `[channels, height, width]` of the convolution outputs, and the activation that follows.
    pub clips: Vec<([usize; 3], Activation)>,
    /// `[channels, height, width]` of the inputs of global average pooling.
    pub means: BTreeSet<[usize; 3]>,
}

/// Every operation of ResNet-18 and EfficientNet-Lite0.
pub fn of_both_networks() -> &'static Ops {
    static OPS: OnceLock<Ops> = OnceLock::new();
    OPS.get_or_init(|| {
        let mut ops = Ops::default();
        for name in ["resnet18", "efficientnet-lite0"] {
            ops.add(name);
        }
        ops
    })
}

impl Ops {
    fn add(&mut self, name: &str) {
        let architecture: Architecture = name.parse().unwrap();
        let plan = architecture.init(&Device::flex()).plan().unwrap();
        let shapes = plan.shapes([SIDE; 2]).unwrap();
        let of = |value: &Value| match value {
            Value::Input => [3, SIDE, SIDE],
            Value::Output(index) => shapes[*index],
        };
        for (step, out) in plan.steps.iter().zip(&shapes) {
            match &step.operation {
                Operation::Convolution { input, convolution } => {
                    let [in_channels, height, width] = of(input);
                    let (kernel, stride) = (convolution.kernel, convolution.stride);
                    let around = [height, width]
                        .map(|side| convolution.padding.around(side, kernel, stride));
                    let conv = Conv {
                        batch: 1,
                        in_channels,
                        out_channels: convolution.out_channels,
                        input: [height, width],
                        kernel,
                        stride,
                        padding: around,
                        groups: convolution.groups,
                    };
                    assert_eq!(conv.output_shape()[1..], out[..], "{}", step.name);
                    self.convs.insert(conv);
                    if convolution.activation != Activation::None {
                        add(&mut self.clips, (*out, convolution.activation));
                    }
                }
                Operation::MaxPool { input, kernel, stride, padding } => {
                    let [channels, height, width] = of(input);
                    let [before, after] = padding.around(height, *kernel, *stride);
                    assert_eq!(before, after);
                    self.max_pools.insert(MaxPool {
                        input: [1, channels, height, width],
                        kernel: *kernel,
                        stride: *stride,
                        padding: before,
                    });
                }
                Operation::Add { activation, .. } => {
                    add(&mut self.sums, (*out, *activation));
                }
                Operation::GlobalAveragePool { input } => {
                    self.means.insert(of(input));
                }
            }
        }
    }
}

/// Adds `new` if it is not in `known` yet.
fn add<T: PartialEq>(known: &mut Vec<T>, new: T) {
    if !known.contains(&new) {
        known.push(new);
    }
}

/// Every convolution of both networks at each of these batch sizes.
pub fn convs(batches: &[usize]) -> impl Iterator<Item = Conv> {
    let convs = &of_both_networks().convs;
    batches
        .iter()
        .flat_map(move |batch| convs.iter().map(move |conv| Conv { batch: *batch, ..*conv }))
}

/// Convolutions with odd sides, with a single pixel, with channel counts that no vector size
/// divides, with groups, and with asymmetric padding.
pub fn awkward_convs() -> Vec<Conv> {
    let conv = |batch,
                (in_channels, out_channels),
                input,
                (kernel, stride),
                padding: [usize; 2],
                groups| Conv {
        batch,
        in_channels,
        out_channels,
        input,
        kernel,
        stride,
        padding: [padding; 2],
        groups,
    };
    vec![
        conv(1, (1, 1), [1, 1], (1, 1), [0, 0], 1),
        conv(1, (3, 5), [7, 5], (3, 1), [1, 1], 1),
        conv(3, (5, 7), [9, 13], (3, 2), [0, 1], 1),
        conv(1, (7, 1), [1, 1], (3, 1), [1, 1], 1),
        conv(2, (6, 10), [11, 3], (5, 2), [2, 2], 2),
        conv(1, (13, 11), [17, 1], (1, 1), [0, 0], 1),
        conv(3, (33, 66), [5, 5], (1, 2), [0, 0], 1),
        conv(1, (7, 7), [13, 9], (3, 1), [1, 1], 7),
        conv(3, (9, 9), [15, 27], (5, 2), [1, 2], 9),
        conv(1, (30, 30), [7, 7], (3, 2), [0, 1], 30),
        conv(1, (36, 36), [1, 1], (5, 1), [2, 2], 36),
    ]
}

/// The networks' max-pools at every batch size, and windows that reach over the edge.
pub fn max_pools() -> impl Iterator<Item = MaxPool> {
    let of_networks = BATCHES.into_iter().flat_map(|batch| {
        of_both_networks().max_pools.iter().map(move |pool| {
            let [_, channels, height, width] = pool.input;
            MaxPool { input: [batch, channels, height, width], ..*pool }
        })
    });
    let awkward = [
        MaxPool { input: [1, 1, 1, 1], kernel: 3, stride: 2, padding: 1 },
        MaxPool { input: [3, 7, 9, 5], kernel: 3, stride: 2, padding: 1 },
        MaxPool { input: [2, 6, 4, 11], kernel: 2, stride: 2, padding: 0 },
    ];
    of_networks.chain(awkward)
}

/// Inputs of global average pooling, `[batch, channels, height, width]`: those of the networks, and
/// awkward shapes.
pub fn means() -> impl Iterator<Item = [usize; 4]> {
    let means = &of_both_networks().means;
    let of_networks = BATCHES
        .into_iter()
        .flat_map(move |batch| means.iter().map(move |[c, h, w]| [batch, *c, *h, *w]));
    of_networks.chain([[3, 1, 1, 1], [3, 5, 3, 7], [3, 66, 2, 2]])
}

/// Inputs of the networks' BatchNorms, `[batch, channels, height, width]`, each shape once.
pub fn norms() -> BTreeSet<[usize; 4]> {
    convs(&BATCHES).map(|conv| conv.output_shape()).collect()
}

/// The heads' matrix products.
pub fn heads(batches: &[usize]) -> impl Iterator<Item = Product> {
    batches.iter().flat_map(|rows| {
        [(512, 1000), (1280, 1000), (512, 2), (1280, 37)].map(|(terms, columns)| Product {
            rows: *rows,
            terms,
            columns,
            right: Order::Rows,
        })
    })
}

/// The matrix products of the networks' 1x1 convolutions and heads.
pub fn products(batches: &[usize]) -> BTreeSet<Product> {
    convs(batches).filter_map(|conv| conv.product()).chain(heads(batches)).collect()
}

/// Products with a single row, column or term, with sides that no vector and no tile divides, and
/// with numbers of terms for which the number of tiles of 8, 16 or 32 terms is odd, or the last
/// tile is partial. At such shapes a kernel that prefetches a tile has read past the end
/// (tracel-ai/burn#5626).
pub fn awkward_products() -> BTreeSet<Product> {
    let mut products = BTreeSet::new();
    for right in [Order::Rows, Order::Columns] {
        let mut add = |rows, terms, columns| {
            products.insert(Product { rows, terms, columns, right });
        };
        for terms in [1, 3, 8, 9, 16, 24, 31, 32, 40, 48, 72, 96, 97, 160, 288] {
            add(64, terms, 64);
            add(67, terms, 61);
        }
        for (rows, terms, columns) in [
            (1, 1, 1),
            (1, 96, 1),
            (1, 97, 64),
            (64, 97, 1),
            (1, 512, 1001),
            (5, 7, 3),
            (129, 65, 33),
        ] {
            add(rows, terms, columns);
        }
    }
    products
}
