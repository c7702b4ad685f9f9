//! `kindling demo`

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anstyle::Style;
use anyhow::{Context, Result, bail};
use clap::Args;
use kindling::demo::{Animal, Part, write_drawings};
use kindling::device;
use kindling::printable::PathText;

use super::terminal::{counted, say, shell_command, text, this_program};
use super::{Cli, DeviceArg};

/// Draw cats and dogs, train on them, and try the result
///
/// Needs no photos, no internet connection and no GPU. The program generates the drawings, saves
/// them as PNG files in the demo's folder, and then runs the same commands that you would use for
/// your own photos. Accuracy on drawings says nothing about photos.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling demo
  kindling demo --out try-it --seed 7 --device wgpu")]
pub struct DemoArgs {
    /// Folder for all files, new or empty [default: kindling-demo]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    /// Random seed for drawing and training
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,

    #[command(flatten)]
    device: DeviceArg,
}

/// The backbone whose weights are built in.
const BACKBONE: &str = "efficientnet-lite0";

pub fn run(args: &DemoArgs) -> Result<()> {
    let folder = match &args.out {
        // A leading `-` would make the path an option in the commands below.
        Some(folder) if text(folder).starts_with('-') => Path::new(".").join(folder),
        Some(folder) => folder.clone(),
        None => default_folder()?,
    };
    // Fail before writing anything if the device is missing, or if the path cannot be recorded
    // in a run's configuration.
    device::resolve(args.device.device)?;
    if folder.to_str().is_none() {
        bail!("`{}` has a name that is not UTF-8; give another --out", folder.shown());
    }
    let folder = create(&folder)?;
    let (drawings, run) = (folder.join("drawings"), folder.join("run"));
    let count: usize = Part::ALL.iter().map(|part| part.drawings_of_each()).sum();
    heading("1. Draw cats and dogs, for training, validation and testing")?;
    write_drawings(&drawings, args.seed)?;
    say(&format!(
        "{} in {} (look at them)",
        counted(count * Animal::ALL.len(), "drawing"),
        text(&drawings)
    ))?;

    let test = drawings.join(Part::Test.name());
    let [cat, dog] = Animal::ALL.map(|animal| test.join(animal.name()).join("000.png"));
    let [drawings, run, test, cat, dog] =
        [&drawings, &run, &test, &cat, &dog].map(|path| path.as_os_str());
    let (seed, device) = (args.seed.to_string(), args.device.device.to_string());
    let device = ["--device", &device].map(OsStr::new);

    heading("2. Train a new last layer on the features of a pretrained network")?;
    let options = ["--backbone", BACKBONE, "--seed", &seed, "--out"].map(OsStr::new);
    command("train", &[&[drawings], &options[..], &[run], &device])?;
    heading("3. Evaluate it on drawings that it has not seen")?;
    command("evaluate", &[&[run, test], &device])?;
    heading("4. Predict the class of two of them")?;
    command("predict", &[&[run, cat, dog], &device])?;

    let program = this_program();
    heading("Next, train on your own photos, in one folder per class")?;
    say(&format!("{program} train photos --backbone {BACKBONE} --out runs/first"))?;
    say(&format!("{program} evaluate runs/first photos"))?;
    say(&format!("{program} predict runs/first photo.jpg"))?;
    heading("Where the files are")?;
    let (drawings, run) = (text(Path::new(drawings)), text(Path::new(run)));
    let width = drawings.chars().count();
    say(&format!("{drawings}  the drawings"))?;
    say(&format!("{run:width$}  the trained model and its records; open report.html there"))?;
    say("These are drawings: accuracy on them says nothing about photos.")?;
    Ok(())
}

/// The first of `kindling-demo`, `kindling-demo-2`, `kindling-demo-3`, ... that does not exist.
fn default_folder() -> Result<PathBuf> {
    (1..1000)
        .map(|number| match number {
            1 => PathBuf::from("kindling-demo"),
            _ => format!("kindling-demo-{number}").into(),
        })
        .find(|folder| fs::symlink_metadata(folder).is_err())
        .context("`kindling-demo` to `kindling-demo-999` exist already; give --out")
}

/// Creates the folder, which must be new or empty, so that no file of the user is touched.
fn create(folder: &Path) -> Result<&Path> {
    let failed = || format!("`{}` cannot be written; give another --out", folder.shown());
    fs::create_dir_all(folder).with_context(failed)?;
    if fs::read_dir(folder).with_context(failed)?.next().is_some() {
        bail!("`{}` is not empty; delete it or give another --out", folder.shown());
    }
    Ok(folder)
}

/// Prints a command as the user would type it, and runs it.
fn command(name: &str, arguments: &[&[&OsStr]]) -> Result<()> {
    let words: Vec<&OsStr> = std::iter::once(OsStr::new(name)).chain(arguments.concat()).collect();
    let typed = shell_command(&this_program(), &words);
    let style = Style::new().bold();
    writeln!(anstream::stdout(), "{style}$ {typed}{style:#}")?;
    Cli::parse_words(std::iter::once(OsStr::new("kindling")).chain(words))?.run()
}

fn heading(text: &str) -> io::Result<()> {
    let style = Style::new().bold().underline();
    writeln!(anstream::stdout(), "\n{style}{text}{style:#}")
}
