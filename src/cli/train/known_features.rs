//! `train --features`: features that were computed before, in place of photos.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use kindling::backbone::Architecture;
use kindling::features::{Extraction, Extractor, FeatureTable};
use kindling::photos::{DataSet, PassedOver, Table, shard_paths};
use kindling::printable::{PathText, printable};
use kindling::{FeatureRows, RowWriter};

use super::TrainArgs;
use super::console::Console;
use super::load::Loaded;
use crate::cli::extraction::Skipped;
use crate::cli::terminal::{counted, one_line, shortened, text, warn_skipped};

/// Longest name of a network in a message, in characters.
const LONGEST_NAME: usize = 60;
/// Rows that are copied at a time.
const AT_A_TIME: usize = 8192;

/// Features of photos, with their labels.
pub struct KnownFeatures {
    /// What the user gave, for messages: the first of the files or folders.
    name: PathBuf,
    features: FeatureTable<FeatureRows>,
    photos: Table,
    /// The row of each photo.
    rows: HashMap<PathBuf, usize>,
    /// The network that computed them, if the files name it.
    backbone: Option<Architecture>,
}

impl KnownFeatures {
    /// Reads what `--features` names. `None` if the user did not give it.
    pub fn read(args: &TrainArgs, rows: RowWriter, console: &Console) -> Result<Option<Self>> {
        let Some(name) = args.known_features.first() else { return Ok(None) };
        if let Some(option) = args.table.first_given() {
            bail!("{option} is for tables of photos, and not for --features: leave it out");
        }
        let features = FeatureTable::read_all(&shard_paths(&args.known_features)?, rows)?;
        let backbone = match features.backbone.as_str() {
            "" => None,
            named => Some(named.parse().map_err(|_| {
                let named = shortened(&printable(named), LONGEST_NAME);
                anyhow!("`{}` has features of `{named}`, a network that is not known", name.shown())
            })?),
        };
        if let (None, None, None) = (&backbone, &args.backbone, &args.weights) {
            bail!(
                "`{}` does not say which network computed the features: give --backbone NAME or \
                 --weights FILE",
                name.shown()
            );
        }
        let photos = features.labelled_photos(name)?;
        console.line(format_args!(
            "table     {} of {} features: {}",
            counted(features.photos.len(), "photo"),
            features.width,
            one_line(&text(name))
        ));
        let mut rows = HashMap::with_capacity(features.photos.len());
        for (row, photo) in features.photos.iter().enumerate() {
            // Of several rows of a photo, the first counts.
            rows.entry(photo.path()).or_insert(row);
        }
        Ok(Some(Self { name: name.clone(), features, photos, rows, backbone }))
    }

    /// The network that computed the features, if the files name it.
    pub fn backbone(&self) -> Option<Architecture> {
        self.backbone.clone()
    }

    /// The labelled photos, in the parts that they come in.
    pub fn data_set(&self) -> Result<DataSet> {
        Ok(DataSet::of_table(&self.photos)?)
    }

    /// Checks that this backbone computes such features, with the same weights and preprocessing.
    /// A file that does not say which weights computed its features is believed.
    pub fn check(&self, extractor: &Extractor, loaded: &Loaded) -> Result<()> {
        let Loaded { backbone, pretrained, .. } = loaded;
        let (network, width) = (backbone.architecture(), extractor.width());
        let name = self.name.shown();
        let named = self.backbone.as_ref().map(ToString::to_string);
        if let Some(named) = named.filter(|named| *named != network.to_string()) {
            bail!(
                "the features in `{name}` were computed by {named}, and the weights are those of \
                 {network}: give the --backbone or the --weights that computed them"
            );
        }
        if self.features.width != width {
            bail!(
                "`{name}` has {} features a photo, and {network} computes {width}: give the \
                 --backbone or the --weights that computed them",
                self.features.width
            );
        }
        match self.features.model() {
            Some(model) if model != extractor.model_fingerprint()? => bail!(
                "the features in `{name}` were not computed by {network} from {pretrained} with \
                 this preprocessing: give the --weights that computed them, and their --fit and \
                 --image-size"
            ),
            _ => Ok(()),
        }
    }

    /// The features of `paths`, in this order, in `rows`.
    pub fn rows(&self, paths: &[&Path], mut rows: RowWriter) -> Result<Extraction<FeatureRows>> {
        let width = self.features.width;
        for paths in paths.chunks(AT_A_TIME) {
            let row = |path: &&Path| {
                let row = self.rows.get(*path).copied();
                row.ok_or_else(|| anyhow!("`{}` has no features", path.shown()))
            };
            let places = paths.iter().map(row).collect::<Result<Vec<usize>>>()?;
            rows.extend(&self.features.features.gather(&places, width)?)?;
        }
        let photos = (0..paths.len()).collect();
        Ok(Extraction { photos, ..Extraction::<()>::default() }.with_rows(rows.finish()?))
    }

    /// The rows that were passed over, with a warning about them.
    pub fn skipped(&self, passed_over: &[PassedOver]) -> Skipped {
        let file = |file: &PassedOver| (text(&file.path), file.reason.clone());
        let skipped: Skipped = passed_over.iter().map(file).collect();
        warn_skipped(&skipped);
        skipped
    }
}

/// Where the features come from, and whether the file says so.
impl fmt::Display for KnownFeatures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = match self.features.model() {
            Some(_) => "computed before, by these weights",
            None => "computed before; the file does not say by which weights",
        };
        formatter.write_str(known)
    }
}
