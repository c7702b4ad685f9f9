//! ResNet with basic blocks (18 and 34 layers), as torchvision builds it.
//!
//! He, Zhang, Ren, Sun: *Deep Residual Learning for Image Recognition*, 2015,
//! <https://arxiv.org/abs/1512.03385>. The fields have torchvision's names, except that
//! `downsample.0` and `.1` are `downsample.conv` and `.bn`.

mod names;

use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::backbone::family::{Family, Shapes};
use crate::backbone::{Architecture, Digest, Forward, Naming, PublishedWeights};
use crate::photos::Preprocessing;
use crate::plan::{Activation, Plan, Planned, Unsupported, Value};
use crate::printable::shape_text;

/// ResNet-18 and ResNet-34 as published, and of other widths.
pub(in crate::backbone) const FAMILY: Family = Family {
    names: &["resnet18", "resnet34"],
    published,
    aliases: &[],
    other_namings: &names::OTHERS,
    named,
    recognised,
};

/// torchvision's `IMAGENET1K_V1` weights. Of the SHA-256 of ResNet-34's file, only the digits in
/// its name are published; torchvision checks the same digits.
fn published() -> Vec<PublishedWeights> {
    let torchvision = |name: &str, file: &str, size, digest, top1| PublishedWeights {
        name: name.to_owned(),
        file: file.to_owned(),
        url: Some(format!("https://download.pytorch.org/models/{file}")),
        size,
        digest,
        licence: "BSD-3-Clause".to_owned(),
        top1,
        source: "torchvision, IMAGENET1K_V1".to_owned(),
        built_in: None,
    };
    let whole = "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec";
    let resnet18 = Digest::Whole(whole.to_owned());
    let resnet34 = Digest::Prefix("b627a593".to_owned());
    vec![
        torchvision("resnet18", "resnet18-f37072fd.pth", Some(46_830_571), resnet18, 69.758),
        torchvision("resnet34", "resnet34-b627a593.pth", None, resnet34, 73.314),
    ]
}

/// torchvision's names: a `Sequential` has numbers instead of names.
const TORCHVISION: Naming =
    Naming(&[(".downsample.conv.", ".downsample.0."), (".downsample.bn.", ".downsample.1.")]);

/// Name and blocks of each stage (table 1 of the paper).
const DEPTHS: [(&str, [usize; 4]); 2] = [("resnet18", [2, 2, 2, 2]), ("resnet34", [3, 4, 6, 3])];
/// Channels of the stem in the published networks.
const PUBLISHED_WIDTH: usize = 64;
/// Widest stem that is accepted: a larger number is a typing error, not a network.
const MAX_WIDTH: usize = 256;

fn named(name: &str) -> Option<Architecture> {
    config(name)?.architecture()
}

/// The network with this name, with zero weights on `device`.
pub(in crate::backbone) fn build(name: &str, device: &Device) -> Option<ResNet> {
    Some(config(name)?.init(device))
}

fn config(name: &str) -> Option<ResNetConfig> {
    let (depth, width) = match name.split_once("-w") {
        Some((depth, width)) => (depth, width.parse().ok()?),
        None => (name, PUBLISHED_WIDTH),
    };
    let (_, blocks) = DEPTHS.into_iter().find(|(known, _)| *known == depth)?;
    (1..=MAX_WIDTH).contains(&width).then_some(ResNetConfig { blocks, width })
}

fn recognised(shape: &Shapes) -> Option<Result<Architecture, String>> {
    let stem = shape("conv1.weight")?;
    let [width, _, _, _] = stem[..] else {
        let stem = shape_text(&stem);
        return Some(Err(format!("its conv1.weight has the shape {stem}")));
    };
    if shape("layer1.0.conv3.weight").is_some() {
        return Some(Err("its blocks have three convolutions (ResNet-50 and deeper)".into()));
    }
    let blocks = [1, 2, 3, 4].map(|stage| {
        (0..)
            .take_while(|block| shape(&format!("layer{stage}.{block}.conv1.weight")).is_some())
            .count()
    });
    let config = ResNetConfig { blocks, width };
    let architecture = config
        .architecture()
        .ok_or_else(|| format!("its stages have {blocks:?} blocks and its stem {width} channels"));
    // The network is allocated before its tensors are compared: a stem alone must not make it wide.
    let (wide, features) = ("layer4.0.conv2.weight", config.features());
    Some(architecture.and_then(|architecture| match shape(wide) {
        Some(found) if found == [features, features, 3, 3] => Ok(architecture),
        Some(found) => {
            let found = shape_text(&found);
            Err(format!("its stem has {width} channels, and its {wide} the shape {found}"))
        }
        None => Err(format!("it has no {wide}")),
    }))
}

/// The dimensions of a ResNet made of basic blocks.
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

    /// The architecture with these dimensions, if it is a known one.
    fn architecture(self) -> Option<Architecture> {
        let (depth, _) = DEPTHS.into_iter().find(|(_, blocks)| *blocks == self.blocks)?;
        (1..=MAX_WIDTH).contains(&self.width).then(|| Architecture {
            name: match self.width {
                PUBLISHED_WIDTH => depth.to_owned(),
                width => format!("{depth}-w{width}"),
            },
            features: self.features(),
            preprocessing: Preprocessing::IMAGENET,
            naming: TORCHVISION,
            // torchvision has no parameter for a basic block's width.
            pytorch: (self.width == PUBLISHED_WIDTH)
                .then(|| format!("torchvision.models.{depth}(num_classes={{classes}})")),
        })
    }

    /// A network with these dimensions on `device`, every convolution zero: weights are loaded into
    /// it, so random ones would be thrown away.
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

/// A convolution without bias, padded by `kernel / 2`, like every one in these networks.
fn conv(
    in_channels: usize,
    out_channels: usize,
    kernel: usize,
    stride: usize,
    device: &Device,
) -> Conv2d {
    let pad = kernel / 2;
    Conv2dConfig::new([in_channels, out_channels], [kernel, kernel])
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

impl ResNet {
    fn layers(&self) -> [&Vec<BasicBlock>; 4] {
        [&self.layer1, &self.layer2, &self.layer3, &self.layer4]
    }
}

impl Forward for ResNet {
    /// torchvision's names: `maxpool`, `layer1` to `layer4`.
    fn stages(&self) -> Vec<String> {
        ["maxpool", "layer1", "layer2", "layer3", "layer4"].map(str::to_owned).to_vec()
    }

    fn forward_stage(&self, stage: usize, x: Tensor<4>) -> Tensor<4> {
        match stage {
            0 => self.maxpool.forward(relu(self.bn1.forward(self.conv1.forward(x)))),
            _ => self.layers()[stage - 1].iter().fold(x, |x, block| block.forward(x)),
        }
    }
}

impl Planned for ResNet {
    fn plan(&self) -> Result<Plan, Unsupported> {
        let mut plan = Plan::default();
        let stem = (("conv1", &self.conv1), ("bn1", &self.bn1));
        let x = plan.convolution(Value::Input, stem.0, stem.1, Activation::Relu)?;
        let mut x = plan.max_pool(x, "maxpool", &self.maxpool)?;
        plan.end_stage("maxpool", x);
        for (layer, blocks) in (1..).zip(self.layers()) {
            for (index, block) in blocks.iter().enumerate() {
                x = block.plan(&format!("layer{layer}.{index}"), x, &mut plan)?;
            }
            plan.end_stage(&format!("layer{layer}"), x);
        }
        Ok(plan.global_average_pool(x))
    }
}

/// Two 3x3 convolutions and a shortcut (figure 2 of the paper).
#[derive(Module, Debug)]
pub struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    downsample: Option<Downsample>,
}

impl BasicBlock {
    fn init(in_channels: usize, out_channels: usize, stride: usize, device: &Device) -> Self {
        Self {
            conv1: conv(in_channels, out_channels, 3, stride, device),
            bn1: BatchNormConfig::new(out_channels).init(device),
            conv2: conv(out_channels, out_channels, 3, 1, device),
            bn2: BatchNormConfig::new(out_channels).init(device),
            downsample: (stride != 1 || in_channels != out_channels).then(|| Downsample {
                conv: conv(in_channels, out_channels, 1, stride, device),
                bn: BatchNormConfig::new(out_channels).init(device),
            }),
        }
    }

    /// `[batch, in_channels, height, width]` to `[batch, out_channels, height / stride, width /
    /// stride]`.
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let shortcut = match &self.downsample {
            Some(downsample) => downsample.bn.forward(downsample.conv.forward(x.clone())),
            None => x.clone(),
        };
        let x = relu(self.bn1.forward(self.conv1.forward(x)));
        relu(self.bn2.forward(self.conv2.forward(x)) + shortcut)
    }

    /// Adds the block called `name` to a plan.
    fn plan(&self, name: &str, input: Value, plan: &mut Plan) -> Result<Value, Unsupported> {
        let mut conv = |input, conv: (&str, &Conv2d), norm: (&str, &BatchNorm), activation| {
            plan.convolution_in(name, input, conv, norm, activation)
        };
        let shortcut = match &self.downsample {
            Some(Downsample { conv: projection, bn }) => conv(
                input,
                ("downsample.conv", projection),
                ("downsample.bn", bn),
                Activation::None,
            )?,
            None => input,
        };
        let x = conv(input, ("conv1", &self.conv1), ("bn1", &self.bn1), Activation::Relu)?;
        let x = conv(x, ("conv2", &self.conv2), ("bn2", &self.bn2), Activation::None)?;
        Ok(plan.add([x, shortcut], &format!("{name}.add"), Activation::Relu))
    }
}

/// The projection shortcut of a block that changes its shape (option B of the paper).
#[derive(Module, Debug)]
pub struct Downsample {
    conv: Conv2d,
    bn: BatchNorm,
}
