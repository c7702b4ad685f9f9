//! The features of shards: one file for each.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Result, bail};
use kindling::features::shards::{ShardFolder, ShardRecord};
use kindling::features::{Extractor, FeatureTable, TableRow};
use kindling::photos::{PhotoPlace, Shard, ShardPhoto, shard_paths};
use kindling::printable::PathText;

use super::EmbedArgs;
use super::task::Task;
use crate::cli::extraction::{stopped, warn_of};
use crate::cli::interrupt;
use crate::cli::terminal::{
    counted, error_text, photo_bar, printed_afterwards, text, warn, warn_damaged,
};

/// What became of the shards of a task.
#[derive(Default)]
struct Tally {
    embedded: usize,
    there: usize,
    bad: usize,
    photos: usize,
    failed: usize,
}

/// Embeds the shards of this process's task, one after the other.
pub fn run(args: &EmbedArgs, model: &Path, out: &Path) -> Result<()> {
    let start = Instant::now();
    let task = args.task.unwrap_or(Task::WHOLE);
    let shards = shard_paths(&args.data)?;
    let folder = ShardFolder::create(out, &shards)?;
    let named: Vec<(PathBuf, String)> =
        shards.into_iter().zip(folder.shards().iter().cloned()).collect();
    let mine = task.part(&named);
    let opened = args.compute.without_default_cache().backbone(model, false)?;
    let extractor = opened.extractor()?;
    let job = Job { folder, model: extractor.model_fingerprint()?, extractor, force: args.force };
    let mut tally = Tally::default();
    for (number, (path, name)) in mine.iter().enumerate() {
        let label = format!("{name} ({} of {})", number + 1, mine.len());
        match job.shard(path, name, label, &mut tally) {
            Ok(()) => {}
            Err(Failed::Shard(error)) => {
                warn(&error_text(error.as_ref()));
                tally.bad += 1;
            }
            Err(Failed::All(error)) => return Err(error),
        }
    }
    warn_of(&job.extractor);
    let Tally { embedded, there, bad, photos, failed } = tally;
    let seconds = start.elapsed().as_secs_f64();
    let rate = photos as f64 / seconds;
    let listed = if failed > 0 { ", listed in *.errors.csv" } else { "" };
    let lines = [
        format!("device    {}", opened.info),
        format!(
            "shards    {embedded} embedded, {there} were there already, {bad} failed (task {} of \
             {})",
            task.index, task.of
        ),
        format!(
            "photos    {photos} in {seconds:.1} s ({rate:.1} photos/s), {failed} skipped{listed}"
        ),
        format!("features  {}", out.shown()),
    ];
    printed_afterwards(writeln!(io::stdout(), "{}", lines.join("\n")));
    match bad {
        0 => Ok(()),
        bad => bail!("{bad} of {} could not be embedded", counted(mine.len(), "shard")),
    }
}

/// Whom an error concerns.
enum Failed {
    /// This shard alone.
    Shard(anyhow::Error),
    /// Each of them: the device, the output folder, or Ctrl-C.
    All(anyhow::Error),
}

struct Job<'a> {
    folder: ShardFolder,
    extractor: Extractor<'a>,
    model: String,
    force: bool,
}

impl Job<'_> {
    /// Embeds a shard unless its features are there.
    fn shard(
        &self,
        path: &Path,
        name: &str,
        label: String,
        tally: &mut Tally,
    ) -> Result<(), Failed> {
        if !self.force {
            let record = self.folder.record(name).map_err(|error| Failed::Shard(error.into()))?;
            if let Some(record) = record {
                self.is_of_this_model(&record).map_err(Failed::All)?;
                self.is_of_this_shard(&record, path, name).map_err(Failed::Shard)?;
                tally.there += 1;
                return Ok(());
            }
        }
        let shard = Shard::read(path).map_err(|error| Failed::Shard(error.into()))?;
        if shard.photos.is_empty() {
            warn(&format!("`{}` has no photos", path.shown()));
        }
        let places: Vec<PhotoPlace> =
            shard.photos.iter().map(|photo| photo.place.clone()).collect();
        let bar = photo_bar(places.len(), label, false);
        let extraction = self.extractor.all_unless(&places, |done| {
            bar.set_position(done as u64);
            match interrupt::interrupted("run the same command again to go on with this shard") {
                Some(error) => Err(error),
                None => Ok(()),
            }
        });
        bar.finish_and_clear();
        let extraction = extraction.map_err(|it| Failed::All(stopped(it, &self.extractor)))?;
        if let Some(damage) = shard.damage() {
            return Err(Failed::Shard(damage.into()));
        }
        let name_of = |index: usize| format!("{name}/{}", shard.photos[index].name);
        let damaged = extraction.warnings.iter();
        warn_damaged(damaged.map(|(index, warning)| (name_of(*index), warning.to_string())));
        let failed = extraction.failed.iter();
        let failures: Vec<(String, String)> = failed
            .map(|(index, error)| (shard.photos[*index].name.clone(), error_text(error)))
            .collect();
        let photos: Vec<&ShardPhoto> =
            extraction.photos.iter().map(|index| &shard.photos[*index]).collect();
        let record = ShardRecord {
            shard: name.to_owned(),
            bytes: shard.bytes,
            model: self.model.clone(),
            engine: self.extractor.engine_fingerprint(),
            photos: photos.len(),
            failed: failures.len(),
        };
        tally.embedded += 1;
        tally.photos += record.photos;
        tally.failed += record.failed;
        let table = self.table(name, &photos, extraction.rows);
        self.folder
            .write(table, &record, &failures, self.force)
            .map_err(|error| Failed::All(error.into()))
    }

    fn table(&self, shard: &str, photos: &[&ShardPhoto], features: Vec<f32>) -> FeatureTable {
        let classes: BTreeSet<&String> =
            photos.iter().filter_map(|photo| photo.label.as_ref()).collect();
        let classes: Vec<String> = classes.into_iter().cloned().collect();
        let row = |photo: &&ShardPhoto| TableRow {
            path: format!("{shard}/{}", photo.name),
            label: photo.label.as_ref().and_then(|label| classes.binary_search(label).ok()),
            part: None,
        };
        FeatureTable {
            backbone: self.extractor.backbone_name(),
            width: self.extractor.width(),
            photos: photos.iter().map(row).collect(),
            classes,
            features,
            ..FeatureTable::default()
        }
    }

    fn is_of_this_model(&self, record: &ShardRecord) -> Result<()> {
        if record.model != self.model {
            bail!(
                "`{}` has features of another model or preprocessing: choose another --out, or \
                 pass --force to replace them",
                self.folder.output(&record.shard).shown()
            );
        }
        Ok(())
    }

    /// Another shard of this name, or one that was written again, would pass for this one.
    fn is_of_this_shard(&self, record: &ShardRecord, path: &Path, name: &str) -> Result<()> {
        // A shard that was deleted after it was embedded is done.
        let bytes = std::fs::metadata(path).map_or(record.bytes, |metadata| metadata.len());
        if record.shard != name || record.bytes != bytes {
            bail!(
                "`{}` has features of another `{}`, of {} bytes: pass --force to replace them",
                self.folder.output(name).shown(),
                record.shard,
                record.bytes
            );
        }
        Ok(())
    }
}

/// Checks that every shard's features are there, and gathers the photos without any.
pub fn merge(folder: &Path) -> Result<()> {
    let merged = ShardFolder::open(folder)?.merge()?;
    let all = merged.shards + merged.missing.len() + merged.damaged.len();
    let lines = [
        format!("shards    {} of {all}", merged.shards),
        format!("photos    {}, {} skipped", merged.photos, merged.failed),
        format!("errors    {}", text(&folder.join(kindling::features::shards::ERRORS_FILE))),
    ];
    printed_afterwards(writeln!(io::stdout(), "{}", lines.join("\n")));
    if merged.engines.len() > 1 {
        warn(&format!(
            "{} kinds of devices computed the features, which differ by rounding",
            merged.engines.len()
        ));
    }
    if merged.is_complete() {
        return Ok(());
    }
    for (shard, reason) in merged.damaged.iter().take(SHOWN) {
        warn(&format!("{shard}: {reason}"));
    }
    if merged.models.len() > 1 {
        let first: Vec<String> =
            merged.models.values().take(SHOWN).map(|shard| format!("`{shard}`")).collect();
        bail!(
            "{} models or preprocessings computed the features (see the shards {}): embed those of \
             the wrong one again with --force",
            merged.models.len(),
            first.join(", ")
        );
    }
    let absent: Vec<String> = merged
        .missing
        .iter()
        .chain(merged.damaged.iter().map(|(shard, _)| shard))
        .take(SHOWN)
        .map(|shard| format!("`{shard}`"))
        .collect();
    bail!(
        "the features of {} are missing or damaged, such as {}: run the same `kindling embed` \
         again",
        counted(merged.missing.len() + merged.damaged.len(), "shard"),
        absent.join(", ")
    )
}

/// The number of shards that a message names.
const SHOWN: usize = 3;
