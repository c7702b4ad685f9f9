//! EfficientNet-Lite0: the smallest of the EfficientNets without squeeze-and-excitation.
//!
//! Tan, Le: *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, 2019,
//! <https://arxiv.org/abs/1905.11946>; Liu: *Higher accuracy on vision models with
//! EfficientNet-Lite*, 2020,
//! <https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html>.
//! Its convolutions are padded like TensorFlow's `SAME`, with [`PaddingConfig2d::Same`]: at stride
//! 2, the bottom and right get one pixel more than the top and left.

use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu6;
use burn::tensor::{Device, Tensor};

use crate::backbone::family::{Family, Shapes};
use crate::backbone::{Architecture, Digest, Forward, Naming, PublishedWeights};
use crate::photos::{Filter, Fit, Preprocessing};
use crate::plan::{Activation, Plan, Planned, Unsupported, Value};

const NAME: &str = "efficientnet-lite0";

/// EfficientNet-Lite0 only: the larger ones differ in width, depth and photo size.
pub(in crate::backbone) const FAMILY: Family = Family {
    names: &[NAME],
    published,
    // torch.hub's name, and timm's for the weights that TensorFlow trained.
    aliases: &[("efficientnet_lite0", NAME), ("tf_efficientnet_lite0", NAME)],
    other_namings: &[],
    named: |name| (name == NAME).then(architecture),
    recognised,
};

/// Google's weights, made by `weights/make_efficientnet_lite0.py` from a published package.
fn published() -> Vec<PublishedWeights> {
    let whole = "fcd887972b7cf8f3780d1298c8e768ad6983ddc315b41ab679ef2dd5d8e13dff";
    vec![PublishedWeights {
        name: NAME.to_owned(),
        file: "efficientnet-lite0.safetensors".to_owned(),
        url: None,
        size: Some(9_410_496),
        digest: Digest::Whole(whole.to_owned()),
        licence: "Apache-2.0".to_owned(),
        top1: 75.1,
        source: "Google, in f16".to_owned(),
        built_in: BUILT_IN,
    }]
}

#[cfg(feature = "bundled-weights")]
const BUILT_IN: Option<&[u8]> =
    Some(include_bytes!("../../../weights/efficientnet-lite0.safetensors"));
#[cfg(not(feature = "bundled-weights"))]
const BUILT_IN: Option<&[u8]> = None;

/// The names of Melas-Kyriazi's PyTorch port, which the published file uses.
const PORT: Naming = Naming(&[
    ("conv_stem.", "_conv_stem."),
    ("conv_head.", "_conv_head."),
    ("blocks.", "_blocks."),
    ("expand_conv.", "_expand_conv."),
    ("depthwise_conv.", "_depthwise_conv."),
    ("project_conv.", "_project_conv."),
    ("bn0.", "_bn0."),
    ("bn1.", "_bn1."),
    ("bn2.", "_bn2."),
    ("fc.", "_fc."),
]);

/// The preprocessing of Google's evaluation: bicubic, and `(value - 127) / 128` of 255 levels
/// (`MEAN_RGB` and `STDDEV_RGB` of its `efficientnet_lite_builder`).
const PREPROCESSING: Preprocessing = Preprocessing {
    resize: 256,
    filter: Filter::Bicubic,
    crop: 224,
    mean: [127.0 / 255.0; 3],
    std: [128.0 / 255.0; 3],
    fit: Fit::Crop,
};

/// A row of table 1 of the paper: consecutive blocks of one width.
struct Stage {
    blocks: usize,
    kernel: usize,
    /// Stride of the first block; the others have 1.
    stride: usize,
    /// Ratio of a block's inner channels to its input channels.
    expand: usize,
    width: usize,
}

const fn stage(blocks: usize, kernel: usize, stride: usize, expand: usize, width: usize) -> Stage {
    Stage { blocks, kernel, stride, expand, width }
}

/// Channels of the stem.
const STEM: usize = 32;
const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];
/// Length of the feature vector.
const FEATURES: usize = 1280;
/// TensorFlow's epsilon for this network; PyTorch's default is 1e-5.
const EPSILON: f64 = 1e-3;

fn architecture() -> Architecture {
    Architecture {
        name: NAME.to_owned(),
        features: FEATURES,
        preprocessing: PREPROCESSING,
        naming: PORT,
        // The package efficientnet-lite-pytorch.
        pytorch: Some(format!(
            "efficientnet_lite_pytorch.EfficientNet.from_name(\"{NAME}\", num_classes={{classes}})"
        )),
    }
}

/// The network with this name, with zero weights on `device`.
pub(in crate::backbone) fn build(name: &str, device: &Device) -> Option<EfficientNetLite> {
    (name == NAME).then(|| EfficientNetLite::init(device))
}

fn recognised(shape: &Shapes) -> Option<Result<Architecture, String>> {
    let stem = shape("_conv_stem.weight")?;
    let blocks = (0..).take_while(|n| shape(&format!("_blocks.{n}._bn1.weight")).is_some()).count();
    let expected = STAGES.iter().map(|stage| stage.blocks).sum::<usize>();
    Some(match (shape("_blocks.0._se_reduce.weight"), blocks == expected) {
        (None, true) if stem == [STEM, 3, 3, 3] => Ok(architecture()),
        (Some(_), _) => Err("its blocks squeeze and excite (EfficientNet-B0 and larger)".into()),
        _ => Err(format!(
            "it has {blocks} blocks and a stem of {stem:?} (another EfficientNet-Lite)"
        )),
    })
}

fn conv(
    in_channels: usize,
    out_channels: usize,
    kernel: usize,
    stride: usize,
    device: &Device,
) -> Conv2d {
    grouped(in_channels, out_channels, kernel, stride, 1, device)
}

fn grouped(
    in_channels: usize,
    out_channels: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
    device: &Device,
) -> Conv2d {
    Conv2dConfig::new([in_channels, out_channels], [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Same)
        .with_groups(groups)
        .with_bias(false)
        // Weights are loaded into it: random ones would be thrown away.
        .with_initializer(Initializer::Zeros)
        .init(device)
}

fn norm(width: usize, device: &Device) -> BatchNorm {
    BatchNormConfig::new(width).with_epsilon(EPSILON).init(device)
}

/// The frozen part of EfficientNet-Lite0: everything before the fully connected layer.
#[derive(Module, Debug)]
pub struct EfficientNetLite {
    conv_stem: Conv2d,
    bn0: BatchNorm,
    blocks: Vec<MBConv>,
    conv_head: Conv2d,
    bn1: BatchNorm,
}

impl EfficientNetLite {
    fn init(device: &Device) -> Self {
        let mut blocks = Vec::new();
        let mut in_channels = STEM;
        for stage in &STAGES {
            for block in 0..stage.blocks {
                let stride = if block == 0 { stage.stride } else { 1 };
                blocks.push(MBConv::init(in_channels, stride, stage, device));
                in_channels = stage.width;
            }
        }
        Self {
            conv_stem: conv(3, STEM, 3, 2, device),
            bn0: norm(STEM, device),
            blocks,
            conv_head: conv(in_channels, FEATURES, 1, 1, device),
            bn1: norm(FEATURES, device),
        }
    }
}

/// The index of the first block of the stage called `stage{number}`, counted from 1.
fn first_block(number: usize) -> usize {
    STAGES[..number - 1].iter().map(|stage| stage.blocks).sum()
}

impl Forward for EfficientNetLite {
    /// `stem`, `stage1` to `stage7` (table 1 of the paper) and `conv_head` (the published file's
    /// name).
    fn stages(&self) -> Vec<String> {
        let stages = (1..=STAGES.len()).map(|number| format!("stage{number}"));
        ["stem".to_owned()].into_iter().chain(stages).chain(["conv_head".to_owned()]).collect()
    }

    fn forward_stage(&self, stage: usize, x: Tensor<4>) -> Tensor<4> {
        match stage {
            0 => relu6(self.bn0.forward(self.conv_stem.forward(x))),
            number if number <= STAGES.len() => {
                let blocks = &self.blocks[first_block(number)..first_block(number + 1)];
                blocks.iter().fold(x, |x, block| block.forward(x))
            }
            _ => relu6(self.bn1.forward(self.conv_head.forward(x))),
        }
    }
}

impl Planned for EfficientNetLite {
    fn plan(&self) -> Result<Plan, Unsupported> {
        let mut plan = Plan::default();
        let stem = (("conv_stem", &self.conv_stem), ("bn0", &self.bn0));
        let mut x = plan.convolution(Value::Input, stem.0, stem.1, Activation::Relu6)?;
        plan.end_stage("stem", x);
        for number in 1..=STAGES.len() {
            for index in first_block(number)..first_block(number + 1) {
                x = self.blocks[index].plan(&format!("blocks.{index}"), x, &mut plan)?;
            }
            plan.end_stage(&format!("stage{number}"), x);
        }
        let top = (("conv_head", &self.conv_head), ("bn1", &self.bn1));
        let x = plan.convolution(x, top.0, top.1, Activation::Relu6)?;
        plan.end_stage("conv_head", x);
        Ok(plan.global_average_pool(x))
    }
}

/// A mobile inverted bottleneck: a 1x1 convolution that expands the channels, a depthwise
/// convolution, and a 1x1 convolution that projects back to fewer channels (Sandler et al.:
/// *MobileNetV2*, 2018, <https://arxiv.org/abs/1801.04381>, section 3.3).
#[derive(Module, Debug)]
pub struct MBConv {
    expand_conv: Option<Conv2d>,
    bn0: Option<BatchNorm>,
    depthwise_conv: Conv2d,
    bn1: BatchNorm,
    project_conv: Conv2d,
    bn2: BatchNorm,
}

impl MBConv {
    fn init(in_channels: usize, stride: usize, stage: &Stage, device: &Device) -> Self {
        let inside = in_channels * stage.expand;
        let expands = stage.expand != 1;
        Self {
            expand_conv: expands.then(|| conv(in_channels, inside, 1, 1, device)),
            bn0: expands.then(|| norm(inside, device)),
            depthwise_conv: grouped(inside, inside, stage.kernel, stride, inside, device),
            bn1: norm(inside, device),
            project_conv: conv(inside, stage.width, 1, 1, device),
            bn2: norm(stage.width, device),
        }
    }

    /// `[batch, in_channels, height, width]` to `[batch, out_channels, height / stride, width /
    /// stride]`, rounded up. The input is added to the output if the stride is 1 and they have the
    /// same channels.
    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let x = match (&self.expand_conv, &self.bn0) {
            (Some(expand), Some(norm)) => relu6(norm.forward(expand.forward(input.clone()))),
            _ => input.clone(),
        };
        let x = relu6(self.bn1.forward(self.depthwise_conv.forward(x)));
        let x = self.bn2.forward(self.project_conv.forward(x));
        match self.depthwise_conv.stride == [1, 1] && x.dims() == input.dims() {
            true => x + input,
            false => x,
        }
    }

    /// Adds the block called `name` to a plan.
    fn plan(&self, name: &str, input: Value, plan: &mut Plan) -> Result<Value, Unsupported> {
        let mut conv = |input, conv: (&str, &Conv2d), norm: (&str, &BatchNorm), activation| {
            plan.convolution_in(name, input, conv, norm, activation)
        };
        let (mut x, mut in_channels) = (input, self.depthwise_conv.groups);
        if let (Some(expand), Some(norm)) = (&self.expand_conv, &self.bn0) {
            in_channels = expand.weight.lazy_shape()[1];
            x = conv(x, ("expand_conv", expand), ("bn0", norm), Activation::Relu6)?;
        }
        let depthwise = (("depthwise_conv", &self.depthwise_conv), ("bn1", &self.bn1));
        let x = conv(x, depthwise.0, depthwise.1, Activation::Relu6)?;
        let project = (("project_conv", &self.project_conv), ("bn2", &self.bn2));
        let x = conv(x, project.0, project.1, Activation::None)?;
        let out_channels = self.project_conv.weight.lazy_shape()[0];
        Ok(match self.depthwise_conv.stride == [1, 1] && out_channels == in_channels {
            true => plan.add([x, input], &format!("{name}.add"), Activation::None),
            false => x,
        })
    }
}
