//! `kindling export`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use kindling::device::{self, Backend, Choice};
use kindling::export::{Format, Parts, Precision};
use kindling::output::OutputFile;
use kindling::photos::Preprocessing;
use kindling::printable::PathText;
use kindling::run::Model;
use kindling::weights::{Reading, Task};

use super::calibration::CalibrationArg;
use super::pretrained::NetworkArg;
use super::terminal::{
    Hinted, bytes, one_line, printed_afterwards, shell_word, text, this_program,
};

/// Export a trained model for other programs: PyTorch, ONNX Runtime, Burn
///
/// MODEL is a run folder, a weights file with its own fc layer, or a name from
/// `kindling weights list`. The exported file includes the class names, the backbone and the
/// preprocessing, so `kindling predict` and `kindling evaluate` can use a safetensors or burnpack
/// file without its run folder.
#[derive(Args)]
#[command(after_help = "\
PyTorch loads the safetensors file directly. To convert it to a .pth file:
  python3 -c \"import torch, safetensors.torch as s; \\
    torch.save(s.load_file('model.safetensors'), 'model.pth')\"

Examples:
  kindling export runs/first --out model.onnx
  kindling export runs/first --out model.safetensors --f16
  kindling export runs/first --format burnpack --out model.bpk --force")]
pub struct ExportArgs {
    /// Run folder, weights file with its own fc layer, or the name of a published network
    model: PathBuf,

    /// Output file; its extension selects the format: .safetensors, .onnx or .bpk
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Format, whatever the file extension: safetensors, onnx or burnpack
    #[arg(long, value_name = "FORMAT", hide_possible_values = true)]
    format: Option<FormatArg>,

    /// Store the weights as f16, which halves the file size
    ///
    /// An ONNX model then computes in f16, but its input and output stay f32.
    #[arg(long)]
    f16: bool,

    /// Leave out the second output of an ONNX model, `stranger_score`
    ///
    /// It needs the features of the training photos, which add at most 8 MiB to the file.
    #[arg(long)]
    no_stranger_score: bool,

    /// Replace an existing file
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    calibration: CalibrationArg,

    #[command(flatten)]
    network: NetworkArg,
}

/// The values of `--format`.
#[derive(Clone, Copy, ValueEnum)]
enum FormatArg {
    Safetensors,
    Onnx,
    Burnpack,
    /// Not supported; the error explains how to convert a safetensors file.
    Pth,
}

pub fn run(args: &ExportArgs) -> Result<()> {
    let format = format(args)?;
    let output = OutputFile::reserve(&args.out, args.force)?;
    let model =
        args.calibration.of(args.network.model(&args.model, false, &processor()?, Reading::Now)?);
    let precision = if args.f16 { Precision::Half } else { Precision::Full };
    let (head, description) = model.folded();
    let neighbours = match format {
        Format::Onnx if !args.no_stranger_score => model.neighbours.as_ref(),
        _ => None,
    };
    let parts = Parts { neighbours, ..Parts::new(&model.backbone, &head, &description) };
    let size = output.write(&format.write(parts, precision)?)?;

    let file = one_line(&text(&args.out));
    let loading = one_line(&loading(&args.out, format, precision, &model));
    let labels = match &model.task {
        Task::SingleLabel => "",
        Task::MultiLabel { .. } => {
            "\nlabels:   the sigmoid of a logit is the probability of its class; a photo shows the \
             classes that reach `thresholds` in the file's metadata"
        }
    };
    let strangers = neighbours.map_or_else(String::new, |neighbours| {
        format!(
            "\nstrangers second output `stranger_score`: a photo above {:.4} is unlike the training \
             photos",
            neighbours.threshold()
        )
    });
    printed_afterwards(writeln!(
        io::stdout(),
        "model     {file} ({format}, {precision}, {})\nload it:  {loading}\nphotos:   \
         {}{labels}{strangers}",
        bytes(size),
        preparation(&description.preprocessing)
    ));
    Ok(())
}

/// How a photo becomes the model's input.
fn preparation(preprocessing: &Preprocessing) -> String {
    let Preprocessing { mean, std, .. } = preprocessing;
    format!(
        "{}, RGB from 0 to 1, minus {mean:?}, divided by {std:?} (also in the file's metadata)",
        preprocessing.geometry()
    )
}

/// The format that `--format` or the file extension selects.
fn format(args: &ExportArgs) -> Result<Format> {
    let ending = args.out.extension().unwrap_or_default();
    let is_pickle = ["pth", "pt"].iter().any(|pickle| ending.eq_ignore_ascii_case(pickle));
    match args.format {
        Some(FormatArg::Safetensors) => Ok(Format::Safetensors),
        Some(FormatArg::Onnx) => Ok(Format::Onnx),
        Some(FormatArg::Burnpack) => Ok(Format::Burnpack),
        None if !is_pickle => match Format::of_file(&args.out) {
            Some(format) => Ok(format),
            None => bail!(
                "`{}` has no known extension: use .safetensors, .onnx or .bpk, or give --format",
                args.out.shown()
            ),
        },
        Some(FormatArg::Pth) | None => {
            let (model, file) = (shell_word(&args.model), args.out.with_extension("safetensors"));
            let (file, pickle) = (shell_word(&file), shell_word(&args.out));
            let hint = format!(
                "PyTorch makes one from a safetensors file: {} export {model} --out {file} && \
                 python3 -c \"import sys, torch, safetensors.torch as s; \
                 torch.save(s.load_file(sys.argv[1]), sys.argv[2])\" {file} {pickle}",
                this_program()
            );
            let message = "pickle files (.pth, .pt) are not supported";
            Err(Hinted::new(message.into(), vec![hint]).into())
        }
    }
}

/// The device that holds the weights during export: a CPU backend if this build has one.
fn processor() -> Result<Device> {
    let backend =
        [Backend::Flex, Backend::Ndarray].into_iter().find(|backend| backend.is_compiled_in());
    let choice = backend.map_or(Choice::Auto, |backend| Choice::Named(backend, None));
    Ok(device::open(&device::resolve(choice)?)?)
}

/// One line of code, or a command, that loads the file.
fn loading(file: &Path, format: Format, precision: Precision, model: &Model) -> String {
    // A JSON string is also a Python string literal and, except for rare escapes, a Rust one.
    let quoted = serde_json::to_string(&text(file)).expect("a string serialises to JSON");
    let network = model.backbone.architecture().pytorch_expression(model.classes.len());
    match (format, network) {
        (Format::Safetensors, Some(network)) => {
            format!("{network}.load_state_dict(safetensors.torch.load_file({quoted}))")
        }
        (Format::Safetensors, None) => {
            format!("{} predict {} PHOTO", this_program(), shell_word(file))
        }
        (Format::Onnx, _) => {
            format!(
                "onnxruntime.InferenceSession({quoted}).run(None, {{\"pixel_values\": photos}})"
            )
        }
        (Format::Burnpack, _) => {
            let adapter = match precision {
                Precision::Full => "",
                Precision::Half => ".with_from_adapter(FloatCastAdapter::to(DType::F32))",
            };
            // By default the store appends its own extension to a name without one.
            let name = if file.extension().is_none() { ".auto_extension(false)" } else { "" };
            format!("module.load_from(&mut BurnpackStore::from_file({quoted}){name}{adapter})")
        }
    }
}
