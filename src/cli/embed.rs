//! `kindling embed`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use kindling::features::{FeatureTable, TableFormat, TableRow};
use kindling::output::OutputFile;
use kindling::photos::{Part, every_photo};

use super::DeviceArg;
use super::extraction::{FeaturesArg, extract, extractor};
use super::pretrained::NetworkArg;
use super::terminal::{bytes, counted, one_line, text, warn};

/// Write the features of every photo, for search or clustering
///
/// MODEL is a run folder, a weights file (its fc layer is not needed), or a name from `kindling weights list`.
/// DATA is a photo or a folder: with train and val parts, class folders, <class>.<anything>.jpg, or
/// photos of no class. Paths are written as DATA leads to them.
///
/// .safetensors holds `features`, `labels` and, as metadata, `paths`, `classes` and `parts`; .npy the features alone,
/// with the rest in a .csv beside it; .parquet the columns `path`, `label`, `part` and `features`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling embed efficientnet-lite0 photos --out features.safetensors
  kindling embed runs/first photos --out features.npy
  kindling embed weights/resnet18.pth holiday/ --out holiday.safetensors")]
pub struct EmbedArgs {
    /// Run folder, weights file, or the name of a published network
    model: PathBuf,

    /// Photo, or folder of photos
    data: PathBuf,

    /// File to write: .safetensors, .npy (and a .csv) or .parquet (cargo feature `parquet`)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace files that are there
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    device: DeviceArg,

    #[command(flatten)]
    features: FeaturesArg,

    #[command(flatten)]
    network: NetworkArg,
}

pub fn run(args: &EmbedArgs) -> Result<()> {
    let Some(format) = TableFormat::of_file(&args.out) else {
        bail!(
            "the ending of `{}` tells no format: end it in .safetensors, .npy or .parquet",
            args.out.display()
        );
    };
    if !format.is_compiled_in() {
        bail!(
            "this build writes no .{format} files: build with `--features {format}`, or end --out in .safetensors \
             or .npy"
        );
    }
    let output = OutputFile::reserve(&args.out, args.force)?;
    let csv = args.out.with_extension("csv");
    let csv_output = match format {
        TableFormat::Npy => Some(OutputFile::reserve(&csv, args.force)?),
        _ => None,
    };
    let listing = every_photo(&args.data)?;
    // A safetensors file has the paths in its header, and its readers take 100 MB of that.
    let header: usize = listing.photos.iter().map(|photo| text(&photo.path).len() + 8).sum();
    if matches!(format, TableFormat::Safetensors) && header > 90_000_000 {
        bail!(
            "the paths of {} do not go into a safetensors file: end --out in .npy or .parquet",
            counted(listing.photos.len(), "photo")
        );
    }
    let (info, device) = args.device.open()?;
    let frozen = args.network.backbone(&args.model, false, &device)?;
    let extractor = extractor(&frozen.backbone, frozen.recipe, (&info, &device), &args.features)?;
    let paths: Vec<&Path> = listing.photos.iter().map(|photo| photo.path.as_path()).collect();
    let (extraction, skipped) =
        extract(&paths, &listing.passed_over, &args.data, &extractor, "embed", false)?;
    let lossy = extraction.photos.iter().filter(|index| paths[**index].to_str().is_none()).count();
    if lossy > 0 {
        warn(&format!(
            "{} not UTF-8: written with \u{fffd} in place of what is not",
            if lossy == 1 { "1 path is".into() } else { format!("{lossy} paths are") }
        ));
    }
    let photos = extraction.photos.iter().map(|index| &listing.photos[*index]);
    let table = FeatureTable {
        backbone: frozen.backbone.architecture().to_string(),
        width: frozen.backbone.architecture().features(),
        photos: photos
            .map(|photo| TableRow {
                path: text(&photo.path),
                label: photo.label,
                part: photo.part.map(Part::name),
            })
            .collect(),
        classes: listing.classes,
        features: extraction.rows,
    };
    // Both are on the disk before the first has its name.
    let staged = output.stage(|out| table.write(format, out))?;
    let staged_csv = csv_output.map(|output| output.stage(|out| table.csv(out))).transpose()?;
    let size = staged.publish()?;
    if let Some(staged) = staged_csv {
        staged.publish()?;
    }

    let mut out = io::stdout().lock();
    writeln!(out, "device    {info}")?;
    writeln!(
        out,
        "photos    {}, {}{}",
        counted(table.photos.len(), "photo"),
        match table.classes.len() {
            0 => "of no class that could be told: no labels".to_owned(),
            count => counted(count, "class"),
        },
        match skipped.len() {
            0 => String::new(),
            count => format!(", {} skipped", counted(count, "file")),
        }
    )?;
    let file = one_line(&text(&args.out));
    writeln!(out, "features  {file} ({} each, {})", table.width, bytes(size))?;
    if format == TableFormat::Npy {
        writeln!(out, "paths     {}", one_line(&text(&csv)))?;
    }
    Ok(())
}
