//! The command line: a file for each subcommand, its options and what it prints.

mod cache;
mod color;
mod completions;
mod demo;
mod devices;
mod embed;
mod evaluate;
mod evaluated;
mod export;
mod extraction;
mod predict;
mod pretrained;
mod report;
mod suggested;
mod terminal;
mod train;
mod weights;

use std::ffi::OsString;
use std::sync::LazyLock;

use anyhow::Result;
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use kindling::device::{self, Backend, Choice, DeviceInfo};
use kindling::run::BURN_VERSION;
use kindling::weights::PublishedWeights;
use suggested::Suggested;
pub use terminal::fail;

/// Train an image classifier from a folder of photos, on any GPU or none
///
/// A network that was pretrained on ImageNet turns each photo into numbers, once; a new last layer learns
/// your classes from them. No Python, no CUDA toolkit, no cloud.
#[derive(Parser)]
#[command(name = "kindling", version = VERSION.as_str(), max_term_width = 100, after_help = TOUR)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    /// When to colour: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_default_value = true, hide_possible_values = true)]
    color: ColorChoice,

    /// The words of the command line.
    #[arg(skip)]
    words: Vec<OsString>,
}

const TOUR: &str = "\
A first tour:
  kindling demo                            draws cats and dogs, and learns them
  kindling train photos --out runs/first   photos/<class>/*.jpg in, a run out
  kindling evaluate runs/first photos      how good it is, class by class
  kindling predict runs/first photo.jpg    what is in the photo
  kindling report runs/first               a page that shows all of it
  kindling export runs/first --out a.onnx  the model for other programs
  kindling devices                         what this machine can compute on
  kindling weights list                    pretrained networks, where they are
  kindling cache info                      what is kept of photos seen before

Each command has examples at the end of its own --help. Details are logged where
RUST_LOG=kindling=debug is set; NO_COLOR=1 takes the colours away.";

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let backends: Vec<&str> = Backend::ALL
        .into_iter()
        .filter(|backend| backend.is_compiled_in())
        .map(Backend::name)
        .collect();
    let built_in: String =
        PublishedWeights::names_built_in().map(|name| format!("; {name} built in")).collect();
    let version = env!("CARGO_PKG_VERSION");
    format!("{version} (backends {}{built_in}; Burn {BURN_VERSION})", backends.join(", "))
});

#[derive(Subcommand)]
enum Command {
    Demo(demo::DemoArgs),
    Train(train::TrainArgs),
    Evaluate(evaluate::EvaluateArgs),
    Predict(predict::PredictArgs),
    Report(report::ReportArgs),
    Export(export::ExportArgs),
    Embed(embed::EmbedArgs),
    Devices(devices::DevicesArgs),
    Weights(weights::WeightsArgs),
    Cache(cache::CacheArgs),
    Completions(completions::CompletionsArgs),
}

impl Cli {
    /// Reads the command line; ends the program where it asks for help or is wrong.
    pub fn read() -> Self {
        let color = color::asked(std::env::args_os());
        color::apply(color);
        let matches = Self::command().color(color).get_matches();
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        Self { words: std::env::args_os().collect(), ..cli }
    }

    /// Reads `words` as a command line.
    fn parse_words(words: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Self> {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        Ok(Self { words: words.clone(), ..Self::try_parse_from(words)? })
    }

    /// Does what the command line says.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Demo(args) => demo::run(&args),
            Command::Train(args) => {
                // Under the program's own name, wherever it lies.
                let typed = terminal::shell_command("kindling", self.words.iter().skip(1));
                train::run(&args, &typed)
            }
            Command::Evaluate(args) => evaluate::run(&args),
            Command::Predict(args) => predict::run(&args),
            Command::Report(args) => report::run(&args),
            Command::Export(args) => export::run(&args),
            Command::Embed(args) => embed::run(&args),
            Command::Devices(args) => devices::run(&args),
            Command::Weights(args) => weights::run(&args),
            Command::Cache(args) => cache::run(&args),
            Command::Completions(args) => completions::run(&args),
        }
    }
}

/// The option that every computing command has.
#[derive(Args, Clone, Copy)]
struct DeviceArg {
    /// What to compute on: auto, wgpu, wgpu:N, cuda, cuda:N, cpu, flex or ndarray
    ///
    /// `auto` takes a real GPU if there is one, else cpu: the network compiled for the processor. flex and
    /// ndarray are Burn's own CPU backends. `kindling devices` lists what there is.
    #[arg(long, value_name = "DEVICE", default_value_t = Choice::Auto, value_parser = Suggested::<Choice>::new(device_names()), hide_possible_values = true)]
    device: Choice,
}

fn device_names() -> Vec<&'static str> {
    std::iter::once("auto").chain(Backend::ALL.map(Backend::name)).collect()
}

impl DeviceArg {
    /// Finds and opens the device; and gives where weights are kept for it. Where our own kernels compute, that is the
    /// processor's memory: they take the weights from there, and so does what they are checked against.
    fn open(self) -> Result<(DeviceInfo, burn::tensor::Device)> {
        let info = device::resolve(self.device)?;
        log::debug!("computing on {info}");
        let device = device::open(&info)?;
        match device::processor() {
            Some(processor) if info.kernels => Ok((info, processor)),
            _ => Ok((info, device)),
        }
    }
}
