//! ResNet with basic blocks (18 and 34 layers), as torchvision builds it.
//!
//! He, Zhang, Ren, Sun: *Deep Residual Learning for Image Recognition*, 2015,
//! <https://arxiv.org/abs/1512.03385>. Fields carry torchvision's names, so that its state dict maps
//! onto this module with one renaming (`downsample.0` and `.1` are `downsample.conv` and `.bn`).

use std::sync::Arc;

use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::plan::{Activation, Plan, Planned, Value};
use super::{Architecture, Family, Forward, Naming, Shapes};
use crate::photos::Recipe;

/// ResNet-18 and ResNet-34 as published, and of other widths.
pub(super) const FAMILY: Family =
    Family { published: &["resnet18", "resnet34"], named, recognised };

/// torchvision's names: a `Sequential` has numbers where a struct has names.
const TORCHVISION: Naming =
    Naming(&[(".downsample.conv.", ".downsample.0."), (".downsample.bn.", ".downsample.1.")]);

/// Names and blocks in each stage (table 1 of the paper).
const DEPTHS: [(&str, [usize; 4]); 2] = [("resnet18", [2, 2, 2, 2]), ("resnet34", [3, 4, 6, 3])];
/// Channels of the stem in the published networks.
const PUBLISHED_WIDTH: usize = 64;
/// Widest stem that is taken: beyond it a name is a typing error, not a network.
const MAX_WIDTH: usize = 256;

fn named(name: &str) -> Option<Architecture> {
    let (depth, width) = match name.split_once("-w") {
        Some((depth, width)) => (depth, width.parse().ok()?),
        None => (name, PUBLISHED_WIDTH),
    };
    let (_, blocks) = DEPTHS.into_iter().find(|(known, _)| *known == depth)?;
    ResNetConfig { blocks, width }.architecture()
}

fn recognised(shape: &Shapes) -> Option<Result<Architecture, String>> {
    let stem = shape("conv1.weight")?;
    let [width, _, _, _] = stem[..] else {
        return Some(Err(format!("its conv1.weight has the shape {stem:?}")));
    };
    if shape("layer1.0.conv3.weight").is_some() {
        return Some(Err("its blocks have three convolutions (ResNet-50 and deeper)".into()));
    }
    let blocks = [1, 2, 3, 4].map(|stage| {
        (0..)
            .take_while(|block| shape(&format!("layer{stage}.{block}.conv1.weight")).is_some())
            .count()
    });
    Some(
        ResNetConfig { blocks, width }.architecture().ok_or_else(|| {
            format!("its stages have {blocks:?} blocks and its stem {width} channels")
        }),
    )
}

/// The measures of a ResNet made of basic blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResNetConfig {
    /// Blocks in each of the four stages: `[2, 2, 2, 2]` for ResNet-18.
    pub blocks: [usize; 4],
    /// Channels of the stem and of the first stage; each later stage has twice as many.
    pub width: usize,
}

impl ResNetConfig {
    /// Length of the feature vector: the channels of the last stage.
    pub fn features(&self) -> usize {
        self.width * 8
    }

    /// What there is to know about it, where its measures are those of a network that is known here.
    fn architecture(self) -> Option<Architecture> {
        let (depth, _) = DEPTHS.into_iter().find(|(_, blocks)| *blocks == self.blocks)?;
        (1..=MAX_WIDTH).contains(&self.width).then(|| Architecture {
            name: match self.width {
                PUBLISHED_WIDTH => depth.to_owned(),
                width => format!("{depth}-w{width}"),
            },
            features: self.features(),
            recipe: Recipe::IMAGENET,
            naming: TORCHVISION,
            build: Arc::new(move |device| Box::new(self.init(device))),
        })
    }

    /// A network of these measures on `device`, every convolution zero: it is there to be imported
    /// into, so nothing is drawn that would be thrown away.
    pub fn init(&self, device: &Device) -> ResNet {
        let stage = |index: usize| {
            let out = self.width << index;
            let (first_in, stride) = if index == 0 { (out, 1) } else { (out / 2, 2) };
            (0..self.blocks[index])
                .map(|block| match block {
                    0 => BasicBlock::init(first_in, out, stride, device),
                    _ => BasicBlock::init(out, out, 1, device),
                })
                .collect()
        };
        ResNet {
            conv1: conv(3, self.width, 7, 2, device),
            bn1: BatchNormConfig::new(self.width).init(device),
            maxpool: MaxPool2dConfig::new([3, 3])
                .with_strides([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init(),
            layer1: stage(0),
            layer2: stage(1),
            layer3: stage(2),
            layer4: stage(3),
        }
    }
}

/// A convolution without bias and with "same" padding for odd `kernel`s, as every one here is.
fn conv(from: usize, to: usize, kernel: usize, stride: usize, device: &Device) -> Conv2d {
    let pad = kernel / 2;
    Conv2dConfig::new([from, to], [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_bias(false)
        .with_initializer(Initializer::Zeros)
        .init(device)
}

/// The frozen part of a ResNet: everything before the fully connected layer.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    maxpool: MaxPool2d,
    layer1: Vec<BasicBlock>,
    layer2: Vec<BasicBlock>,
    layer3: Vec<BasicBlock>,
    layer4: Vec<BasicBlock>,
}

impl Forward for ResNet {
    /// The stages are torchvision's: `maxpool`, `layer1` to `layer4`.
    fn feature_map(
        &self,
        photos: Tensor<4>,
        observe: &mut dyn FnMut(&str, &Tensor<4>),
    ) -> Tensor<4> {
        let x = relu(self.bn1.forward(self.conv1.forward(photos)));
        let mut x = self.maxpool.forward(x);
        observe("maxpool", &x);
        for (name, blocks) in [
            ("layer1", &self.layer1),
            ("layer2", &self.layer2),
            ("layer3", &self.layer3),
            ("layer4", &self.layer4),
        ] {
            for block in blocks {
                x = block.forward(x);
            }
            observe(name, &x);
        }
        x
    }
}

impl Planned for ResNet {
    fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        let stem = (("conv1", &self.conv1), ("bn1", &self.bn1));
        let x = plan.convolution(Value::Photos, stem.0, stem.1, Activation::Relu);
        let mut x = plan.max_pool(x, "maxpool", &self.maxpool);
        for (stage, blocks) in
            [&self.layer1, &self.layer2, &self.layer3, &self.layer4].into_iter().enumerate()
        {
            for (index, block) in blocks.iter().enumerate() {
                x = block.plan(&format!("layer{}.{index}", stage + 1), x, &mut plan);
            }
        }
        plan.global_average_pool(x)
    }
}

/// Two 3x3 convolutions beside a shortcut (figure 2 of the paper).
#[derive(Module, Debug)]
pub struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    downsample: Option<Downsample>,
}

impl BasicBlock {
    fn init(from: usize, to: usize, stride: usize, device: &Device) -> Self {
        Self {
            conv1: conv(from, to, 3, stride, device),
            bn1: BatchNormConfig::new(to).init(device),
            conv2: conv(to, to, 3, 1, device),
            bn2: BatchNormConfig::new(to).init(device),
            downsample: (stride != 1 || from != to).then(|| Downsample {
                conv: conv(from, to, 1, stride, device),
                bn: BatchNormConfig::new(to).init(device),
            }),
        }
    }

    /// `[batch, from, height, width]` to `[batch, to, height / stride, width / stride]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shortcut = match &self.downsample {
            Some(downsample) => downsample.bn.forward(downsample.conv.forward(x.clone())),
            None => x.clone(),
        };
        let x = relu(self.bn1.forward(self.conv1.forward(x)));
        relu(self.bn2.forward(self.conv2.forward(x)) + shortcut)
    }

    /// Adds the same to a plan, of the block that is called `name`.
    fn plan(&self, name: &str, input: Value, plan: &mut Plan) -> Value {
        let mut conv = |input, conv: (&str, &Conv2d), norm: (&str, &BatchNorm), activation| {
            plan.convolution_in(name, input, conv, norm, activation)
        };
        let shortcut = match &self.downsample {
            Some(Downsample { conv: projection, bn }) => conv(
                input,
                ("downsample.conv", projection),
                ("downsample.bn", bn),
                Activation::None,
            ),
            None => input,
        };
        let x = conv(input, ("conv1", &self.conv1), ("bn1", &self.bn1), Activation::Relu);
        let x = conv(x, ("conv2", &self.conv2), ("bn2", &self.bn2), Activation::None);
        plan.add([x, shortcut], &format!("{name}.add"), Activation::Relu)
    }
}

/// The projection shortcut (option B of the paper) where a block changes its shape.
#[derive(Module, Debug)]
pub struct Downsample {
    conv: Conv2d,
    bn: BatchNorm,
}
