//! ResNet with basic blocks (18 and 34 layers), as torchvision builds it.
//!
//! He, Zhang, Ren, Sun: *Deep Residual Learning for Image Recognition*, 2015,
//! <https://arxiv.org/abs/1512.03385>. Fields carry torchvision's names, so that its state dict maps
//! onto this module with one renaming (`downsample.0` and `.1` are `downsample.conv` and `.bn`).

use burn::module::{Initializer, Module};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{AdaptiveAvgPool2d, AdaptiveAvgPool2dConfig, MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

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
            avgpool: AdaptiveAvgPool2dConfig::new([1, 1]).init(),
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
///
/// Keep it on a plain (not autodiff) device: there BatchNorm uses its running statistics and never
/// updates them.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    maxpool: MaxPool2d,
    layer1: Vec<BasicBlock>,
    layer2: Vec<BasicBlock>,
    layer3: Vec<BasicBlock>,
    layer4: Vec<BasicBlock>,
    avgpool: AdaptiveAvgPool2d,
}

impl ResNet {
    /// Features of a batch of preprocessed photos.
    ///
    /// # Shapes
    /// - `photos`: `[batch, 3, height, width]`, normalised
    /// - output: `[batch, features]`
    ///
    /// # Panics
    /// Where the photos do not have three channels, or live on another device.
    pub fn forward(&self, photos: Tensor<4>) -> Tensor<2> {
        self.forward_observed(photos, |_, _| ())
    }

    /// [`forward`](Self::forward), showing `observe` what leaves each stage: `maxpool`, `layer1` to
    /// `layer4`, each `[batch, channels, height, width]`.
    pub fn forward_observed(
        &self,
        photos: Tensor<4>,
        mut observe: impl FnMut(&str, &Tensor<4>),
    ) -> Tensor<2> {
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
        self.avgpool.forward(x).flatten(1, 3)
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
}

/// The projection shortcut (option B of the paper) where a block changes its shape.
#[derive(Module, Debug)]
pub struct Downsample {
    conv: Conv2d,
    bn: BatchNorm,
}
