//! `kindling embed`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use kindling::features::{FeatureTable, TableFormat, TableRow};
use kindling::output::OutputFile;
use kindling::photos::{Listing, Part, every_photo};
use kindling::printable::PathText;

use super::extraction::{any_decoded, extract};
use super::opened::ComputeArgs;
use super::table::TableArgs;
use super::terminal::{bytes, counted, one_line, printed_afterwards, text, warn};

/// Write the features of every photo, for search or clustering
///
/// MODEL is a run folder, a weights file (an fc layer is not needed), or a name from
/// `kindling weights list`. DATA is a photo or a folder, with train and val folders, class folders,
/// files named <class>.<anything>.jpg, or photos without labels; or a table. The paths in the
/// output start with DATA as you typed it.
///
/// A .safetensors file holds the tensors `features` and `labels`, with `paths`, `classes` and
/// `parts` in its metadata. A .npy file holds only the features, and a .csv file beside it the
/// rest. A .parquet file has the columns `path`, `label`, `part` and `features`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling embed efficientnet-lite0 photos --out features.safetensors
  kindling embed runs/first photos --out features.npy
  kindling embed weights/resnet18.pth holiday/ --out holiday.safetensors")]
pub struct EmbedArgs {
    /// Run folder, weights file, or the name of a published network
    model: PathBuf,

    /// Photo, folder of photos, or table of them: .csv, .tsv or .parquet
    data: PathBuf,

    /// Output file: .safetensors, .npy (writes a .csv too) or .parquet (cargo feature `parquet`)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Replace existing files
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    table: TableArgs,

    #[command(flatten)]
    compute: ComputeArgs,
}

pub fn run(args: &EmbedArgs) -> Result<()> {
    let Some(format) = TableFormat::of_file(&args.out) else {
        bail!("`{}` has no known extension: use .safetensors, .npy or .parquet", args.out.shown());
    };
    if !format.is_compiled_in() {
        bail!(
            "this build cannot write .{format} files: build with `--features {format}`, or use \
             .safetensors or .npy"
        );
    }
    let output = OutputFile::reserve(&args.out, args.force)?;
    let csv = args.out.with_extension("csv");
    let csv_output = match format {
        TableFormat::Npy => Some(OutputFile::reserve(&csv, args.force)?),
        _ => None,
    };
    let listing = match args.table.unlabelled_table(&args.data)? {
        Some(table) => Listing::of_table(&table),
        None => every_photo(&args.data)?,
    };
    // The paths go into the safetensors header, of which readers accept at most 100 MB.
    let header: usize = listing.photos.iter().map(|photo| text(&photo.path).len() + 8).sum();
    if matches!(format, TableFormat::Safetensors) && header > 90_000_000 {
        bail!(
            "the paths of {} do not fit into a safetensors header: use .npy or .parquet",
            counted(listing.photos.len(), "photo")
        );
    }
    let opened = args.compute.backbone(&args.model, false)?;
    let architecture = opened.model.backbone.architecture();
    let extractor = opened.extractor()?;
    let paths: Vec<&Path> = listing.photos.iter().map(|photo| photo.path.as_path()).collect();
    let (extraction, skipped) = extract(&paths, &listing.passed_over, &extractor, "embed", false)?;
    any_decoded(&extraction, &args.data)?;
    let lossy = extraction.photos.iter().filter(|index| paths[**index].to_str().is_none()).count();
    if lossy > 0 {
        warn(&format!(
            "{} not UTF-8: invalid bytes are written as \\xNN (docs/json.md says how to read them)",
            if lossy == 1 { "1 path is".into() } else { format!("{lossy} paths are") }
        ));
    }
    let photos = extraction.photos.iter().map(|index| &listing.photos[*index]);
    let table = FeatureTable {
        backbone: architecture.to_string(),
        width: architecture.features(),
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
    // Both files are on disk before the first is renamed into place.
    let staged = output.stage(|out| table.write(format, out))?;
    let staged_csv = csv_output.map(|output| output.stage(|out| table.csv(out))).transpose()?;
    let size = staged.publish()?;
    if let Some(staged) = staged_csv {
        staged.publish()?;
    }

    let lines = [
        Some(format!("device    {}", opened.info)),
        Some(format!(
            "photos    {}, {}{}",
            counted(table.photos.len(), "photo"),
            match table.classes.len() {
                0 => "without labels (no classes found)".to_owned(),
                count => counted(count, "class"),
            },
            match skipped.len() {
                0 => String::new(),
                count => format!(", {} skipped", counted(count, "file")),
            }
        )),
        Some(format!(
            "features  {} ({} each, {})",
            one_line(&text(&args.out)),
            table.width,
            bytes(size)
        )),
        (format == TableFormat::Npy).then(|| format!("paths     {}", one_line(&text(&csv)))),
    ];
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    printed_afterwards(writeln!(io::stdout(), "{}", lines.join("\n")));
    Ok(())
}
