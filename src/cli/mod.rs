//! The command line: one file per subcommand, with its options and output.

mod cache;
mod calibration;
mod color;
mod compare;
mod completions;
mod demo;
mod devices;
mod embed;
mod evaluate;
mod evaluated;
mod export;
mod extraction;
mod interrupt;
mod label_sets;
mod memory_size;
mod opened;
mod predict;
mod pretrained;
mod report;
mod strangers;
mod suggested;
mod suspects;
mod table;
mod terminal;
mod train;
mod tta;
mod weights;

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::LazyLock;

use anyhow::Result;
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
pub use interrupt::Interrupted;
use kindling::device::{self, Backend, Choice, DeviceInfo};
use kindling::run::BURN_VERSION;
use kindling::weights::PublishedWeights;
use suggested::Suggested;
pub use terminal::fail;

/// Train an image classifier from a folder of photos, on any GPU or none
///
/// A network pretrained on ImageNet computes the features of each photo once, and a new last layer
/// learns your classes from them. Needs no Python, no CUDA toolkit and no cloud.
#[derive(Parser)]
#[command(name = "kindling", version = VERSION.as_str(), max_term_width = 100, after_help = TOUR)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    /// When to use colour: auto, always or never
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto, hide_default_value = true, hide_possible_values = true)]
    color: ColorChoice,

    /// The raw arguments, including the program name.
    #[arg(skip)]
    words: Vec<OsString>,
}

const TOUR: &str = "\
A first tour:
  kindling demo                            draw cats and dogs, and train on them
  kindling train photos --out runs/first   train on photos/<class>/*.jpg
  kindling evaluate runs/first photos      measure the accuracy, class by class
  kindling compare runs/first runs/second  say which differences are noise
  kindling predict runs/first photo.jpg    predict the class of a photo
  kindling report runs/first               write an HTML report
  kindling export runs/first --out a.onnx  export the model for other programs
  kindling devices                         list this machine's devices
  kindling weights list                    list pretrained networks
  kindling cache info                      show the feature cache

The --help of each command ends with examples. Set RUST_LOG=kindling=debug for
detailed logs, and NO_COLOR=1 to turn colours off.";

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
    // Boxed for its size.
    Train(Box<train::TrainArgs>),
    Evaluate(evaluate::EvaluateArgs),
    Compare(compare::CompareArgs),
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
    /// Parses the command line. Exits if it asks for help or is invalid.
    pub fn read() -> Self {
        let color = color::asked(std::env::args_os());
        color::apply(color);
        let matches =
            Self::command().color(color).try_get_matches().unwrap_or_else(|error| answer(error));
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        Self { words: std::env::args_os().collect(), ..cli }
    }

    /// Parses `words` as a command line.
    fn parse_words(words: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Self> {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        Ok(Self { words: words.clone(), ..Self::try_parse_from(words)? })
    }

    /// Runs the subcommand.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Demo(args) => demo::run(&args),
            Command::Train(args) => {
                // Recorded without the path of the program.
                let typed = terminal::shell_command("kindling", self.words.iter().skip(1));
                train::run(&args, &typed)
            }
            Command::Evaluate(args) => evaluate::run(&args),
            Command::Compare(args) => compare::run(&args),
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

/// Prints the help, the version or a usage error, and exits.
fn answer(answer: clap::Error) -> ! {
    if answer.use_stderr() {
        answer.exit();
    }
    match answer.print().and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            fail(&terminal::Unprinted(error));
            std::process::exit(1)
        }
        _ => std::process::exit(0),
    }
}

/// The option shared by every command that runs a network.
#[derive(Args, Clone, Copy)]
struct DeviceArg {
    /// Device to compute on: auto, wgpu, wgpu:N, cuda, cuda:N, cpu, flex or ndarray
    ///
    /// `auto` picks a hardware GPU if there is one, otherwise `cpu`, which runs the network
    /// compiled for the processor. `flex` and `ndarray` are Burn's own CPU backends.
    /// `kindling devices` lists the devices on this machine.
    #[arg(long, value_name = "DEVICE", default_value_t = Choice::Auto, value_parser = Suggested::<Choice>::new(device_names()), hide_possible_values = true)]
    device: Choice,
}

fn device_names() -> Vec<&'static str> {
    std::iter::once("auto").chain(Backend::ALL.map(Backend::name)).collect()
}

impl DeviceArg {
    /// Resolves and opens the device, and returns it with the device that holds the weights. If our
    /// own kernels run, the weights stay in host memory: the kernels and the CPU reference of the
    /// self-check both read them from there.
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
