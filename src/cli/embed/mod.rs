//! `kindling embed`

#[cfg(feature = "parquet")]
mod shards;
mod table;
mod task;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueHint};
use kindling::photos::Shard;

use super::opened::ComputeArgs;
use super::table::TableArgs;
use task::Task;

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
///
/// Shards are .tar and .zip files of photos, as webdataset writes them (000123.jpg with its label
/// in 000123.cls, .json or .txt), and .parquet files with photos in a column `image`. The folder
/// --out gets a .parquet file for each, which appears when it is complete. The same command goes on
/// where another one ended, and --task divides the shards among processes.
#[derive(Args)]
#[command(after_help = "\
Examples:
  kindling embed efficientnet-lite0 photos --out features.safetensors
  kindling embed runs/first photos --out features.npy
  kindling embed weights/resnet18.pth holiday/ --out holiday.safetensors
  kindling embed efficientnet-lite0 'x-{000..099}.tar' --out dir --task 3/10
  kindling embed --merge dir")]
pub struct EmbedArgs {
    /// Run folder, weights file, or the name of a published network
    #[arg(required_unless_present = "merge")]
    model: Option<PathBuf>,

    /// Photo, folder of photos, or table of them: .csv, .tsv or .parquet; or shards
    ///
    /// Several shards may be given, and patterns of their names: 'photos-{000..099}.tar' or
    /// 'photos-*.tar'.
    #[arg(required_unless_present = "merge")]
    data: Vec<PathBuf>,

    /// Output file: .safetensors, .npy (writes a .csv too) or .parquet; of shards, a folder
    #[arg(long, value_name = "FILE|DIR", required_unless_present = "merge")]
    out: Option<PathBuf>,

    /// Replace existing files
    #[arg(long)]
    force: bool,

    /// Embed part I of N of the shards, from 0 to N - 1; `auto` for a SLURM array, or auto/N
    ///
    /// Give all shards to each task: part I has the shards I, I + N, I + 2 N and so on. `auto`
    /// takes I and N from SLURM_ARRAY_TASK_ID, _MIN and _COUNT, and auto/N takes I from
    /// SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX (a Kubernetes indexed job).
    #[arg(long, value_name = "I/N", help_heading = "Shards")]
    task: Option<Task>,

    /// Check that the features of all shards in DIR are there, and computed by one model
    ///
    /// Writes the photos without features of all shards into DIR/errors.csv.
    #[arg(
        long,
        value_name = "DIR",
        value_hint = ValueHint::DirPath,
        help_heading = "Shards",
        conflicts_with_all = ["model", "data", "out", "task", "force"],
    )]
    merge: Option<PathBuf>,

    #[command(flatten)]
    table: TableArgs,

    #[command(flatten)]
    compute: ComputeArgs,
}

pub fn run(args: &EmbedArgs) -> Result<()> {
    #[cfg(feature = "parquet")]
    if let Some(folder) = &args.merge {
        return shards::merge(folder);
    }
    let (Some(model), Some(out)) = (&args.model, &args.out) else {
        bail!("this build cannot read .parquet files: build with `--features parquet`");
    };
    if args.data.iter().all(|path| Shard::is_one(path)) {
        #[cfg(feature = "parquet")]
        return shards::run(args, model, out);
        #[cfg(not(feature = "parquet"))]
        bail!(
            "this build cannot embed shards, whose features are .parquet files: build with \
             `--features parquet`"
        );
    }
    match (args.data.as_slice(), args.task) {
        (_, Some(_)) => bail!(
            "--task divides shards, and DATA is not .tar or .zip files, or .parquet files of photos"
        ),
        ([data], None) => table::run(args, model, data, out),
        _ => bail!(
            "several DATA can only be shards: .tar or .zip files, or .parquet files of photos"
        ),
    }
}
