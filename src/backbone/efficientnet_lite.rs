//! EfficientNet-Lite0: the smallest of the EfficientNets without squeeze-and-excitation.
//!
//! Tan, Le: *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, 2019,
//! <https://arxiv.org/abs/1905.11946>; Liu: *Higher accuracy on vision models with EfficientNet-Lite*,
//! 2020, <https://blog.tensorflow.org/2020/03/higher-accuracy-on-vision-models-with-efficientnet-lite.html>.
//! Its convolutions are padded as TensorFlow's `SAME`: at stride 2 one pixel more at the bottom and
//! right than at the top and left, which [`PaddingConfig2d::Same`] does.

use std::sync::Arc;

use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu6;
use burn::tensor::{Device, Tensor};

use super::plan::{Activation, Plan, Planned, Value};
use super::{Architecture, Family, Forward, Naming, Shapes};
use crate::photos::{Filter, Recipe};

const NAME: &str = "efficientnet-lite0";

/// EfficientNet-Lite0 alone: the larger ones differ in width, depth and size of the photo.
pub(super) const FAMILY: Family =
    Family { published: &[NAME], named: |name| (name == NAME).then(architecture), recognised };

/// The names of the PyTorch port by Melas-Kyriazi, which the published file has.
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

/// How Google's evaluation makes a photo ready: bicubic, and `(value - 127) / 128` of 255 levels
/// (`MEAN_RGB` and `STDDEV_RGB` of its `efficientnet_lite_builder`).
const RECIPE: Recipe = Recipe {
    resize: 256,
    filter: Filter::Bicubic,
    crop: 224,
    mean: [127.0 / 255.0; 3],
    std: [128.0 / 255.0; 3],
};

/// A row of table 1 of the paper: blocks that follow each other at one width.
struct Stage {
    blocks: usize,
    kernel: usize,
    /// Of the first block; the others have 1.
    stride: usize,
    /// How many times wider a block is inside than where it begins.
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
        recipe: RECIPE,
        naming: PORT,
        build: Arc::new(|device| Box::new(EfficientNetLite::init(device))),
    }
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

fn conv(from: usize, to: usize, kernel: usize, stride: usize, device: &Device) -> Conv2d {
    grouped(from, to, kernel, stride, 1, device)
}

fn grouped(
    from: usize,
    to: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
    device: &Device,
) -> Conv2d {
    Conv2dConfig::new([from, to], [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Same)
        .with_groups(groups)
        .with_bias(false)
        // There to be imported into: nothing is drawn that would be thrown away.
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
        let mut from = STEM;
        for stage in &STAGES {
            for block in 0..stage.blocks {
                let stride = if block == 0 { stage.stride } else { 1 };
                blocks.push(MBConv::init(from, stride, stage, device));
                from = stage.width;
            }
        }
        Self {
            conv_stem: conv(3, STEM, 3, 2, device),
            bn0: norm(STEM, device),
            blocks,
            conv_head: conv(from, FEATURES, 1, 1, device),
            bn1: norm(FEATURES, device),
        }
    }
}

impl Forward for EfficientNetLite {
    /// The stages are those of the paper's table 1: `stem`, `stage1` to `stage7`.
    fn feature_map(
        &self,
        photos: Tensor<4>,
        observe: &mut dyn FnMut(&str, &Tensor<4>),
    ) -> Tensor<4> {
        let mut x = relu6(self.bn0.forward(self.conv_stem.forward(photos)));
        observe("stem", &x);
        let mut blocks = self.blocks.iter();
        for (index, stage) in STAGES.iter().enumerate() {
            for block in blocks.by_ref().take(stage.blocks) {
                x = block.forward(x);
            }
            observe(&format!("stage{}", index + 1), &x);
        }
        relu6(self.bn1.forward(self.conv_head.forward(x)))
    }
}

impl Planned for EfficientNetLite {
    fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        let stem = (("conv_stem", &self.conv_stem), ("bn0", &self.bn0));
        let mut x = plan.convolution(Value::Photos, stem.0, stem.1, Activation::Relu6);
        for (index, block) in self.blocks.iter().enumerate() {
            x = block.plan(&format!("blocks.{index}"), x, &mut plan);
        }
        let top = (("conv_head", &self.conv_head), ("bn1", &self.bn1));
        let x = plan.convolution(x, top.0, top.1, Activation::Relu6);
        plan.global_average_pool(x)
    }
}

/// A mobile inverted bottleneck: widen with 1x1, convolve each channel alone, narrow with 1x1
/// (Sandler et al.: *MobileNetV2*, 2018, <https://arxiv.org/abs/1801.04381>, section 3.3).
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
    fn init(from: usize, stride: usize, stage: &Stage, device: &Device) -> Self {
        let inside = from * stage.expand;
        let expands = stage.expand != 1;
        Self {
            expand_conv: expands.then(|| conv(from, inside, 1, 1, device)),
            bn0: expands.then(|| norm(inside, device)),
            depthwise_conv: grouped(inside, inside, stage.kernel, stride, inside, device),
            bn1: norm(inside, device),
            project_conv: conv(inside, stage.width, 1, 1, device),
            bn2: norm(stage.width, device),
        }
    }

    /// `[batch, from, height, width]` to `[batch, to, height / stride, width / stride]`, rounded up.
    /// What comes in is added to what goes out where the stride is 1 and the widths agree.
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

    /// Adds the same to a plan, of the block that is called `name`.
    fn plan(&self, name: &str, input: Value, plan: &mut Plan) -> Value {
        let mut conv = |input, conv: (&str, &Conv2d), norm: (&str, &BatchNorm), activation| {
            plan.convolution_in(name, input, conv, norm, activation)
        };
        let (mut x, mut from) = (input, self.depthwise_conv.groups);
        if let (Some(expand), Some(norm)) = (&self.expand_conv, &self.bn0) {
            from = expand.weight.dims()[1];
            x = conv(x, ("expand_conv", expand), ("bn0", norm), Activation::Relu6);
        }
        let alone = (("depthwise_conv", &self.depthwise_conv), ("bn1", &self.bn1));
        let x = conv(x, alone.0, alone.1, Activation::Relu6);
        let narrow = (("project_conv", &self.project_conv), ("bn2", &self.bn2));
        let x = conv(x, narrow.0, narrow.1, Activation::None);
        let to = self.project_conv.weight.dims()[0];
        match self.depthwise_conv.stride == [1, 1] && to == from {
            true => plan.add([x, input], &format!("{name}.add"), Activation::None),
            false => x,
        }
    }
}
