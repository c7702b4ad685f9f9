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

use super::terminal::{counted, say, shell_command, text, this_program};
use super::{Cli, DeviceArg};

/// Draw cats and dogs, train on them, and try the result
///
/// Needs no photos, no network and no GPU. The drawings are made up by the program and lie in the demo's
/// folder as PNG files; what follows are the same commands that you would give for your own photos. How
/// well it does on drawings says nothing about photos.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling demo
  kindling demo --out try-it --seed 7 --device wgpu")]
pub struct DemoArgs {
    /// Folder to put everything in, new or empty [default: kindling-demo]
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,

    /// Seed of the drawings and of the training
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,

    #[command(flatten)]
    device: DeviceArg,
}

/// The backbone that is built in.
const BACKBONE: &str = "efficientnet-lite0";

pub fn run(args: &DemoArgs) -> Result<()> {
    let folder = match &args.out {
        // In the commands below a leading `-` would be taken for an option.
        Some(folder) if text(folder).starts_with('-') => Path::new(".").join(folder),
        Some(folder) => folder.clone(),
        None => default_folder()?,
    };
    // Before anything is written: a device that is not there, and a name that no run can record.
    device::resolve(args.device.device)?;
    if folder.to_str().is_none() {
        bail!("`{}` has a name that is not UTF-8; give another --out", folder.display());
    }
    let folder = make(&folder)?;
    let (drawings, run) = (folder.join("drawings"), folder.join("run"));
    let count: usize = Part::ALL.iter().map(|part| part.drawings_of_each()).sum();
    heading("1. Drawings of cats and dogs, to train, validate and test on")?;
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

    heading("2. Training: each drawing through a pretrained network once, then a new last layer")?;
    let options = ["--backbone", BACKBONE, "--seed", &seed, "--out"].map(OsStr::new);
    command("train", &[&[drawings], &options[..], &[run], &device])?;
    heading("3. How good it is, on drawings that it has not seen")?;
    command("evaluate", &[&[run, test], &device])?;
    heading("4. What is in two of them")?;
    command("predict", &[&[run, cat, dog], &device])?;

    let program = this_program();
    heading("Now with your photos, in a folder for each class")?;
    say(&format!("{program} train photos --backbone {BACKBONE} --out runs/first"))?;
    say(&format!("{program} evaluate runs/first photos"))?;
    say(&format!("{program} predict runs/first photo.jpg"))?;
    heading("Where everything is")?;
    let (drawings, run) = (text(Path::new(drawings)), text(Path::new(run)));
    let width = drawings.chars().count();
    say(&format!("{drawings}  the drawings"))?;
    say(&format!("{run:width$}  the trained model, and how it came about; open its report.html"))?;
    say("These were drawings: how well it does on them says nothing about photos.")?;
    Ok(())
}

/// `kindling-demo`, or the first of `kindling-demo-2`, ... that is free.
fn default_folder() -> Result<PathBuf> {
    (1..1000)
        .map(|number| match number {
            1 => PathBuf::from("kindling-demo"),
            _ => format!("kindling-demo-{number}").into(),
        })
        .find(|folder| fs::symlink_metadata(folder).is_err())
        .context("there are a thousand demos here already; give --out")
}

/// Makes the folder, which must not hold anything: nothing of the user's is touched.
fn make(folder: &Path) -> Result<&Path> {
    let failed = || format!("`{}` cannot be written; give another --out", folder.display());
    fs::create_dir_all(folder).with_context(failed)?;
    if fs::read_dir(folder).with_context(failed)?.next().is_some() {
        bail!("`{}` is not empty; delete it or give another --out", folder.display());
    }
    Ok(folder)
}

/// Shows a command as it would be typed, and does what it says.
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
