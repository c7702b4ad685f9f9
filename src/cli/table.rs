//! Tables of photos on the command line: their options, and what is said of them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::{Args, ValueHint};
use kindling::photos::{Label, LabelledPhoto, PhotoSet, Shard, Table, TableOptions, labelled_as};
use kindling::printable::PathText;
use serde::Serialize;

use super::terminal::warn;

/// The options of every command that takes a table as DATA.
#[derive(Args, Clone, Debug, Default, Serialize)]
pub struct TableArgs {
    /// Column with the paths of the photos [default: path, file, filename, image or image_path]
    ///
    /// A table without a header has columns 1, 2, 3 and so on.
    #[arg(long, value_name = "NAME", help_heading = "Tables")]
    path_column: Option<String>,

    /// Column with the classes [default: label, class, target or category]
    ///
    /// Several names with commas between them are columns that hold 0 or 1, one for each class.
    /// Those are found without this option too, if no column has a usual name.
    #[arg(long, value_name = "NAME", help_heading = "Tables")]
    label_column: Option<String>,

    /// What separates the labels of a photo that shows several classes, such as ';'
    #[arg(long, value_name = "TEXT", help_heading = "Tables", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    label_separator: Option<String>,

    /// Column with train, val or test [default: split]
    #[arg(long, value_name = "NAME", help_heading = "Tables")]
    split_column: Option<String>,

    /// Column with groups of photos that are never divided between parts [default: group]
    #[arg(long, value_name = "NAME", help_heading = "Tables")]
    group_column: Option<String>,

    /// Folder that the paths of the table are relative to [default: the table's folder]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Tables")]
    photo_folder: Option<PathBuf>,
}

impl TableArgs {
    fn options(&self) -> TableOptions {
        let Self {
            path_column,
            label_column,
            label_separator,
            split_column,
            group_column,
            photo_folder,
        } = self.clone();
        TableOptions {
            path_column,
            label_column,
            label_separator,
            split_column,
            group_column,
            photo_folder,
            without_labels: false,
        }
    }

    /// Reads the table at `path`, and warns of what is wrong with it. `None` if it is a folder or a
    /// photo.
    ///
    /// # Errors
    /// If the table cannot be used, or there are options of tables and no table.
    pub fn table(&self, path: &Path) -> Result<Option<Table>> {
        self.read(path, &self.options())
    }

    /// The same for a table that needs no labels.
    pub fn unlabelled_table(&self, path: &Path) -> Result<Option<Table>> {
        self.read(path, &TableOptions { without_labels: true, ..self.options() })
    }

    fn read(&self, path: &Path, options: &TableOptions) -> Result<Option<Table>> {
        if !Table::is_one(path) {
            match self.first_given() {
                None => return Ok(None),
                Some(option) => bail!(
                    "`{}` is not a table, and {option} is for tables: give a .csv, .tsv or .parquet \
                     file",
                    path.shown()
                ),
            }
        }
        if let Some(option) = self.first_given()
            && Shard::is_one(path)
        {
            bail!("`{}` is a shard, which has no columns: leave {option} out", path.shown());
        }
        let table = Table::read(path, options)?;
        table.warnings.iter().for_each(|warning| warn(warning));
        Ok(Some(table))
    }

    /// The first of these options that the user has given.
    pub fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--path-column", self.path_column.is_some()),
            ("--label-column", self.label_column.is_some()),
            ("--label-separator", self.label_separator.is_some()),
            ("--split-column", self.split_column.is_some()),
            ("--group-column", self.group_column.is_some()),
            ("--photo-folder", self.photo_folder.is_some()),
        ];
        given.into_iter().find(|(_, is_given)| *is_given).map(|(option, _)| option)
    }

    /// The photos of the folder or table `data`, to evaluate a model with these classes on.
    ///
    /// # Errors
    /// If they cannot be read, or have other labels than the model.
    pub fn labelled_as<L: Label>(&self, data: &Path, classes: &[String]) -> Result<PhotoSet<L>> {
        if let Some(table) = self.table(data)? {
            return Ok(table.labelled_as(classes)?);
        }
        let PhotoSet { classes, photos, passed_over, folder } = labelled_as(data, classes)?;
        let photo = |LabelledPhoto { path, label, group }: LabelledPhoto| {
            // Every kind of label can hold one class.
            Some(LabelledPhoto { path, label: L::of(&[label])?, group })
        };
        let photos = photos.into_iter().filter_map(photo).collect();
        Ok(PhotoSet { classes, photos, passed_over, folder })
    }
}
