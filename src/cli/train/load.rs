//! The first step of `train`: the device and the backbone with its weights.

use std::time::Instant;

use anyhow::Result;
use burn::tensor::Device;
use kindling::backbone::Backbone;
use kindling::device::DeviceInfo;
use kindling::weights::{self, Pretrained};

use super::TrainArgs;
use super::console::Console;
use crate::cli::pretrained::Use;

/// The backbone if neither `--backbone` nor `--weights` is given.
const DEFAULT_BACKBONE: &str = "resnet18";

/// A backbone on its device.
pub struct Loaded {
    /// The device that computes features.
    pub info: DeviceInfo,
    /// The device of the weights: a plain one, so that the backbone stays frozen.
    pub device: Device,
    /// The weights' file.
    pub pretrained: Pretrained,
    pub backbone: Backbone,
    /// When loading the weights began.
    pub start: Instant,
}

/// Opens the device, finds or downloads the weights, and loads them.
pub fn load(args: &TrainArgs, console: &Console) -> Result<Loaded> {
    let (info, device) = args.device.open()?;
    let (pretrained, named) = match &args.weights {
        Some(file) => (Pretrained::file(file)?, args.backbone.clone()),
        None => {
            let named = args.backbone.clone().map_or_else(|| DEFAULT_BACKBONE.parse(), Ok)?;
            let found = args.network.pretrained(&named.to_string(), Use::Train, args.quiet)?;
            (found, Some(named))
        }
    };
    console.line(format_args!("device    {info}"));
    let start = Instant::now();
    let checkpoint = pretrained.open()?;
    // The network in the user's own file is recognised. If `--backbone` names one too, they must
    // agree.
    let architecture = named.map_or_else(|| weights::architecture(&checkpoint), Ok)?;
    let backbone = weights::backbone(&checkpoint, &architecture, &device)?;
    console.line(format_args!("backbone  {architecture} from {pretrained}"));
    Ok(Loaded { info, device, pretrained, backbone, start })
}
