//! The features of a folder, a photo or a table of photos: one file.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, bail};
use kindling::features::{FeatureTable, TableFormat, TableRow};
use kindling::output::OutputFile;
use kindling::photos::{Listing, Part, every_photo};
use kindling::printable::PathText;

use super::EmbedArgs;
use crate::cli::extraction::{any_decoded, extract};
use crate::cli::terminal::{bytes, counted, one_line, printed_afterwards, text, warn};

/// Embeds the photos of `data` into the file `out`.
pub fn run(args: &EmbedArgs, model: &Path, data: &Path, out: &Path) -> Result<()> {
    let Some(format) = TableFormat::of_file(out) else {
        bail!("`{}` has no known extension: use .safetensors, .npy or .parquet", out.shown());
    };
    if !format.is_compiled_in() {
        bail!(
            "this build cannot write .{format} files: build with `--features {format}`, or use \
             .safetensors or .npy"
        );
    }
    let output = OutputFile::reserve(out, args.force)?;
    let csv = out.with_extension("csv");
    let csv_output = match format {
        TableFormat::Npy => Some(OutputFile::reserve(&csv, args.force)?),
        _ => None,
    };
    let listing = match args.table.unlabelled_table(data)? {
        Some(table) => Listing::of_table(&table),
        None => every_photo(data)?,
    };
    // The paths go into the safetensors header, of which readers accept at most 100 MB.
    let header: usize = listing.photos.iter().map(|photo| text(&photo.path).len() + 8).sum();
    if matches!(format, TableFormat::Safetensors) && header > 90_000_000 {
        bail!(
            "the paths of {} do not fit into a safetensors header: use .npy or .parquet",
            counted(listing.photos.len(), "photo")
        );
    }
    let opened = args.compute.backbone(model, false)?;
    let architecture = opened.model.backbone.architecture();
    let extractor = opened.extractor()?;
    let paths: Vec<&Path> = listing.photos.iter().map(|photo| photo.path.as_path()).collect();
    let (extraction, skipped) = extract(&paths, &listing.passed_over, &extractor, "embed", false)?;
    any_decoded(&extraction, data)?;
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
        ..FeatureTable::default()
    }
    .with_model(extractor.model_fingerprint()?);
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
        Some(format!("features  {} ({} each, {})", one_line(&text(out)), table.width, bytes(size))),
        (format == TableFormat::Npy).then(|| format!("paths     {}", one_line(&text(&csv)))),
    ];
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    printed_afterwards(writeln!(io::stdout(), "{}", lines.join("\n")));
    Ok(())
}
