//! The photos of `train`: from a folder or a table, divided into parts.

use std::path::Path;

use anyhow::Result;
use kindling::photos::{DataSet, Label, LabelSet, PhotoSet, Split, SplitOptions, Table};
use kindling::printable::PathText;
use kindling::run::{DataRecord, SPLIT_FILE};

use super::TrainArgs;
use super::console::Console;
use super::extract::Extracted;
use super::known_features::KnownFeatures;
use crate::cli::report::counts;
use crate::cli::terminal::{counted, one_line, warn};

/// The photos, with one label each or with several.
pub enum TrainingData {
    OneLabel(DataSet),
    SeveralLabels(DataSet<LabelSet>),
}

/// Photos in the parts that they are used in.
pub struct Photos<L = usize> {
    /// The photos in the parts that they came in.
    pub data_set: DataSet<L>,
    pub split: Split<L>,
    /// Whether the folder alone gives this split again, so that the run need not list its photos.
    pub is_derivable: bool,
}

impl<L: Label> Photos<L> {
    /// The file of the run that lists its photos, if they cannot be found again without it.
    pub fn split_file(&self) -> Option<(&'static str, Vec<u8>)> {
        let file = || (SPLIT_FILE, self.split.clone().with_absolute_paths().csv());
        (!self.is_derivable).then(file)
    }

    /// What the run records of its photos.
    pub fn record(&self, args: &TrainArgs, extracted: &Extracted<L>) -> Result<DataRecord> {
        let Self { split, is_derivable, .. } = self;
        let Extracted { train, val, skipped, .. } = extracted;
        let folder = std::path::absolute(args.folder())?;
        let digest = match is_derivable {
            true => split.digest(args.folder()),
            false => split.clone().with_absolute_paths().digest(&folder),
        };
        let trained_on = train.labels.iter().flat_map(|label| label.classes()).copied();
        Ok(DataRecord {
            folder,
            val_folder: args.val.as_ref().map(std::path::absolute).transpose()?,
            test_folder: split.test_folder.as_ref().map(std::path::absolute).transpose()?,
            train_photos: train.labels.len(),
            val_photos: val.labels.len(),
            skipped: skipped.len(),
            split_sha256: Some(digest),
            trained_on: Some(counts(trained_on, split.classes.len())),
            split_file: (!is_derivable).then(|| SPLIT_FILE.into()),
        })
    }
}

/// Reads the photos. Those of known features are named in the same files.
pub fn read(
    args: &TrainArgs,
    known: Option<&KnownFeatures>,
    console: &Console,
) -> Result<TrainingData> {
    if let Some(known) = known {
        return Ok(TrainingData::OneLabel(known.data_set()?));
    }
    match args.table.table(args.folder())? {
        Some(table) if table.is_multi_label => {
            let data_set = of_table(args, &table, console)?;
            Ok(TrainingData::SeveralLabels(data_set))
        }
        Some(table) => Ok(TrainingData::OneLabel(of_table(args, &table, console)?)),
        None => Ok(TrainingData::OneLabel(of_folder(args)?)),
    }
}

fn of_table<L: Label>(args: &TrainArgs, table: &Table, console: &Console) -> Result<DataSet<L>> {
    console.line(format_args!(
        "table     {}: {}",
        counted(table.rows.len(), "photo"),
        one_line(&table.columns)
    ));
    let mut data_set = DataSet::of_table(table)?;
    if let Some(val) = &args.val {
        let val: PhotoSet<L> = args.table.labelled_as(val, data_set.classes())?;
        data_set = data_set.with_val(val);
    }
    with_test(args, data_set)
}

fn of_folder(args: &TrainArgs) -> Result<DataSet> {
    let data_set = match (&args.train, &args.data) {
        (None, Some(data)) => DataSet::of_folder(data)?,
        _ => {
            let train = PhotoSet::read(args.folder())?;
            match args.val.as_deref() {
                Some(val) if Table::is_one(val) => {
                    let val = args.table.labelled_as(val, &train.classes)?;
                    DataSet::of_parts(train, None)?.with_val(val)
                }
                val => DataSet::of_parts(train, val.map(PhotoSet::read).transpose()?)?,
            }
        }
    };
    with_test(args, data_set)
}

/// The photos of `--test` in place of the data set's own.
fn with_test<L: Label>(args: &TrainArgs, data_set: DataSet<L>) -> Result<DataSet<L>> {
    let Some(test) = &args.test else { return Ok(data_set) };
    if let Some(own) = data_set.test()
        && own.folder != *test
    {
        warn(&format!(
            "{} of `{}` not tested on, because --test names others",
            if own.photos.len() == 1 {
                "1 test photo is".into()
            } else {
                format!("{} test photos are", own.photos.len())
            },
            own.folder.shown()
        ));
    }
    let test = args.table.labelled_as(test, data_set.classes())?;
    Ok(data_set.with_test(test))
}

/// Divides the photos, and says how many there are.
pub fn split<L: Label>(
    args: &TrainArgs,
    data_set: DataSet<L>,
    console: &Console,
) -> Result<Photos<L>> {
    let data_set = match args.split.group_by_folder {
        true => data_set.grouped_by_folder()?,
        false => data_set,
    };
    let split = data_set.clone().split(&split_options(args))?;
    if let Some(roles) = &split.roles {
        console.line(format_args!("layout    {}", one_line(roles)));
    }
    say(&split, console);
    let (groups, photos) = split.divided_groups();
    if groups > 0 {
        warn(&format!(
            "{} {} photos in several parts, which flatters the scores: {} outside the first",
            counted(groups, "group"),
            if groups == 1 { "has" } else { "have" },
            counted(photos, "photo")
        ));
    }
    let tables = [Some(args.folder()), args.val.as_deref(), args.test.as_deref()];
    let is_table = |path: &Path| Table::is_one(path);
    let is_derivable = args.known_features.is_empty()
        && !tables.into_iter().flatten().any(is_table)
        && !args.split.group_by_folder
        && args.split.test_split.is_none();
    Ok(Photos { data_set, split, is_derivable })
}

/// How photos without parts are divided.
pub fn split_options(args: &TrainArgs) -> SplitOptions {
    SplitOptions {
        val_share: args.split.val_split,
        test_share: args.split.test_split,
        seed: args.seed,
    }
}

/// Prints the size of each part.
pub fn say<L: Label>(split: &Split<L>, console: &Console) {
    let tested = match split.test.len() {
        0 => String::new(),
        count => format!(", {count} to test on"),
    };
    let groups = match split.groups() {
        0 => String::new(),
        count => format!(", {}", counted(count, "group")),
    };
    console.line(format_args!(
        "photos    {} to train on, {} to validate on{tested}, {} classes{groups}",
        split.train.len(),
        split.val.len(),
        split.classes.len()
    ));
}
