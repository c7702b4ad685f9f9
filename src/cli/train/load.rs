//! The first step of `train`: the device and the backbone with its weights.

use std::time::Instant;

use anyhow::Result;
use burn::tensor::Device;
use kindling::backbone::{Architecture, Backbone};
use kindling::device::DeviceInfo;
use kindling::weights::{self, Pretrained, PublishedWeights};

use super::TrainArgs;
use super::console::Console;
use crate::cli::opened::reading;
use crate::cli::pretrained::Use;
use crate::cli::terminal::{shortened, warn};

/// The backbone if neither `--backbone` nor `--weights` is given.
const DEFAULT_BACKBONE: &str = "resnet18";
/// Maximum length of the reason in a warning, in characters.
const MAX_REASON: usize = 120;

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

/// Opens the device, finds or downloads the weights, and loads them. `of_features` is the network
/// of features that are known, if the options name none.
pub fn load(
    args: &TrainArgs,
    of_features: Option<Architecture>,
    console: &Console,
) -> Result<Loaded> {
    let (info, device) = args.device.open()?;
    let (pretrained, named) = match &args.weights {
        Some(file) => (Pretrained::file(file)?, args.backbone.clone()),
        None => {
            let (found, named) = match args.backbone.clone().or(of_features) {
                Some(named) => {
                    let name = named.to_string();
                    (args.network.pretrained(&name, Use::Train, args.quiet)?, named)
                }
                None => default_backbone(args)?,
            };
            (found, Some(named))
        }
    };
    console.line(format_args!("device    {info}"));
    let start = Instant::now();
    let checkpoint = pretrained.open()?;
    if let Some(choice) = checkpoint.choice() {
        warn(&format!("`{pretrained}`: {choice}"));
    }
    // The network in the user's own file is recognised. If `--backbone` names one too, they must
    // agree.
    let architecture = named.map_or_else(|| weights::architecture(&checkpoint), Ok)?;
    let packed = args.features.packed();
    let reading = reading(&info, packed.as_ref());
    let backbone = weights::backbone_with(&checkpoint, &architecture, &device, reading)?;
    console.line(format_args!("backbone  {architecture} from {pretrained}"));
    Ok(Loaded { info, device, pretrained, backbone, start })
}

/// The default backbone if its weights are on this machine or can be downloaded, otherwise the
/// built-in one, with a warning.
fn default_backbone(args: &TrainArgs) -> Result<(Pretrained, Architecture)> {
    let default: Architecture = DEFAULT_BACKBONE.parse()?;
    let Some(built_in) = PublishedWeights::names_built_in().next() else {
        let found = args.network.pretrained(DEFAULT_BACKBONE, Use::Train, args.quiet)?;
        return Ok((found, default));
    };
    match args.network.if_available(DEFAULT_BACKBONE, args.quiet)? {
        Ok(found) => Ok((found, default)),
        Err(reason) => {
            warn(&format!(
                "the weights of {DEFAULT_BACKBONE} are not on this machine ({}), so the built-in \
                 {built_in} is used; --backbone {DEFAULT_BACKBONE} insists",
                shortened(&reason, MAX_REASON)
            ));
            let found = args.network.pretrained(built_in, Use::Train, args.quiet)?;
            Ok((found, built_in.parse()?))
        }
    }
}
