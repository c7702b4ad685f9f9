//! The command line: a file for each subcommand, its options and what it prints.

mod devices;
mod evaluate;
mod predict;
mod terminal;
mod train;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use kindling::device::{self, Choice, DeviceInfo};
pub use terminal::told;

/// Train an image classifier from a folder of photos, on any GPU or none.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(train::TrainArgs),
    Evaluate(evaluate::EvaluateArgs),
    Predict(predict::PredictArgs),
    Devices(devices::DevicesArgs),
}

impl Cli {
    /// Does what the command line says.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Train(args) => train::run(&args),
            Command::Evaluate(args) => evaluate::run(&args),
            Command::Predict(args) => predict::run(&args),
            Command::Devices(args) => devices::run(&args),
        }
    }
}

/// Photos that go through the frozen network at a time. No result depends on it; 32 keeps a GPU
/// busy and takes some 200 MB.
const FORWARD_BATCH: usize = 32;

/// The option that every computing command has.
#[derive(Args, Clone, Copy)]
struct DeviceArg {
    /// What to compute on: auto, wgpu, wgpu:N, cuda, cuda:N, flex or ndarray
    ///
    /// `auto` takes a real GPU if there is one, else the fastest CPU backend in this build.
    /// `kindling devices` lists what there is.
    #[arg(long, value_name = "DEVICE", default_value_t = Choice::Auto)]
    device: Choice,
}

impl DeviceArg {
    /// Finds and opens the device.
    fn open(self) -> Result<(DeviceInfo, burn::tensor::Device)> {
        let info = device::resolve(self.device)?;
        let device = device::open(&info)?;
        Ok((info, device))
    }
}
