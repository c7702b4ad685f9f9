//! A run folder is written atomically and never overwrites anything else.

use std::fs;
use std::path::Path;

use kindling::device::{Choice, resolve};
use kindling::export::{self, Parts, Precision};
use kindling::head::EpochMetrics;
use kindling::photos::Preprocessing;
use kindling::run::{
    DataRecord, FolderContent, HeadSummary, Model, ModelFile, RunConfig, RunDir, RunError, Summary,
    Versions, WeightsRecord,
};
use kindling::weights::{self, Checkpoint, Description, Task};

use crate::reference::{cpu, fixture};

const EPOCH: EpochMetrics = EpochMetrics {
    epoch: 1,
    train_loss: 0.5,
    train_accuracy: 0.75,
    val_loss: 0.625,
    val_accuracy: 0.5,
    seconds: 0.0625,
    val_macro_f1: None,
};

/// Writes a run of the narrow network.
pub fn write(folder: &Path, force: bool) -> Result<(), RunError> {
    write_run(folder, force, false)
}

/// The same, with its model written beforehand or with the rest.
fn write_run(folder: &Path, force: bool, is_staged: bool) -> Result<(), RunError> {
    let device = cpu();
    let checkpoint = Checkpoint::open(&fixture("narrow.pth")).unwrap();
    let architecture = weights::architecture(&checkpoint).unwrap();
    let backbone = weights::backbone(&checkpoint, &architecture, &device).unwrap();
    let head = weights::head(&checkpoint, &architecture, &device).unwrap();
    let classes: Vec<String> = (0..10).map(|class| format!("class \"{class}\" é")).collect();
    let config = RunConfig {
        command: None,
        created: None,
        backbone: architecture.to_string(),
        options: toml::Table::new(),
        preprocessing: Preprocessing::IMAGENET,
        data: DataRecord {
            val_folder: None,
            test_folder: None,
            folder: "photos".into(),
            train_photos: 3,
            val_photos: 2,
            skipped: 1,
            split_sha256: None,
            trained_on: None,
            split_file: None,
        },
        weights: WeightsRecord { file: "narrow.pth".into(), sha256: "00".into() },
        device: resolve(Choice::Auto).unwrap(),
        self_check: None,
        versions: Versions::current(),
        folder: None,
    };
    let summary = Summary {
        test: None,
        val_intervals: None,
        calibration: None,
        strangers: None,
        learning_curve: None,
        best_epoch: EPOCH,
        epochs: 1,
        classes: classes.clone(),
        train_photos: 3,
        val_photos: 2,
        skipped: 1,
        feature_seconds: 1.0,
        training_seconds: 0.1,
        multi_label: None,
        near_duplicates: None,
        head: HeadSummary::default(),
    };
    let description = Description {
        backbone: architecture.to_string(),
        classes: classes.clone(),
        preprocessing: Preprocessing::IMAGENET,
        task: Task::SingleLabel,
        temperature: None,
        calibrated_with: None,
    };
    let parts = Parts::new(&backbone, &head, &description);
    let bytes = export::safetensors(parts, Precision::Full).unwrap();
    let run_dir = RunDir::reserve(folder, force)?;
    let staged = match is_staged {
        true => Some(
            run_dir.stage_model(
                export::safetensors_pieces(parts, Precision::Full)
                    .map(|piece| Ok::<_, RunError>(piece.unwrap())),
            )?,
        ),
        false => None,
    };
    let model = staged.as_ref().map_or(ModelFile::Bytes(&bytes), ModelFile::Staged);
    let content = FolderContent {
        model,
        classes: &classes,
        config: &config,
        epochs: &[EPOCH],
        summary: &summary,
        report: Some("<!DOCTYPE html> kindling report"),
        curves: None,
        card: "library_name: kindling",
        further: &[],
    };
    run_dir.write(&content)
}

#[test]
fn a_run_is_read_back_as_it_was_written_and_leaves_nothing_beside_it() {
    let parent = tempfile::tempdir().unwrap();
    let run = parent.path().join("deep/down/run");
    write(&run, false).unwrap();
    let names: Vec<_> = fs::read_dir(run.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let model = Model::open(&run, &cpu()).unwrap();
    assert_eq!((model.classes.len(), model.preprocessing), (10, Preprocessing::IMAGENET));
    assert_eq!(model.classes[3], "class \"3\" é");
    assert_eq!(
        fs::read_to_string(run.join("metrics.csv")).unwrap(),
        "epoch,train_loss,train_accuracy,val_loss,val_accuracy,seconds\n\
         1,0.500000,0.750000,0.625000,0.500000,0.062\n"
    );
    // The model file alone also holds the classes.
    assert_eq!(Model::open(&run.join("model.safetensors"), &cpu()).unwrap().classes, model.classes);
}

#[test]
fn a_model_that_was_staged_is_the_same_file_and_nothing_is_left_of_its_hidden_name() {
    let parent = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| parent.path().join(name));
    write_run(&one, false, false).unwrap();
    write_run(&other, false, true).unwrap();
    // A second run in its place is staged beside it, too.
    write_run(&other, true, true).unwrap();
    let model = |run: &Path| fs::read(run.join("model.safetensors")).unwrap();
    assert_eq!(model(&one), model(&other));
    let mut names: Vec<_> =
        fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["one", "other"]);
    // The run has the usual permissions and can be read without the program that wrote it.
    assert!(Model::open(&other, &cpu()).is_ok());
}

#[test]
fn an_existing_run_is_replaced_only_with_force() {
    let parent = tempfile::tempdir().unwrap();
    let run = parent.path().join("run");
    fs::create_dir(&run).unwrap();
    write(&run, false).expect("an empty folder can be used");
    let model = fs::metadata(run.join("model.safetensors")).unwrap().modified().unwrap();
    assert!(matches!(write(&run, false), Err(RunError::Exists(_))));
    assert_eq!(fs::metadata(run.join("model.safetensors")).unwrap().modified().unwrap(), model);
    write(&run, true).unwrap();
    assert_ne!(fs::metadata(run.join("model.safetensors")).unwrap().modified().unwrap(), model);
    // Files that the user added to the run folder must not be deleted.
    fs::write(run.join("README.md"), "mine, not a model card").unwrap();
    assert!(matches!(write(&run, true), Err(RunError::NotOnlyARun { .. })));
    fs::remove_file(run.join("README.md")).unwrap();
    fs::write(run.join("notes.txt"), "mine").unwrap();
    assert!(matches!(write(&run, true), Err(RunError::NotOnlyARun { .. })));
    assert!(run.join("notes.txt").exists() && run.join("model.safetensors").exists());
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_unusable_folders_are_rejected_before_any_work() {
    use std::os::unix::fs::symlink;
    let parent = tempfile::tempdir().unwrap();
    let reserve = |name: &str| RunDir::reserve(&parent.path().join(name), false);
    fs::create_dir(parent.path().join("empty")).unwrap();
    symlink(parent.path().join("empty"), parent.path().join("link")).unwrap();
    symlink(parent.path().join("absent"), parent.path().join("dangling")).unwrap();
    write(&parent.path().join("link/."), false).unwrap();
    assert!(parent.path().join("empty/model.safetensors").exists());
    assert!(matches!(reserve("dangling"), Err(RunError::NotARun(_))));
    assert!(matches!(RunDir::reserve(Path::new("."), true), Err(RunError::WorkingFolder(_))));
    assert!(matches!(RunDir::reserve(Path::new("/dev/null/x"), true), Err(RunError::Write(..))));
}

#[test]
fn files_and_folders_that_are_not_runs_are_not_replaced_even_with_force() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("thesis");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("chapter.txt"), "years of work").unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "a file").unwrap();
    for occupied in [&folder, &file] {
        assert!(matches!(write(occupied, true), Err(RunError::NotARun(_))));
    }
    assert_eq!(fs::read_to_string(folder.join("chapter.txt")).unwrap(), "years of work");
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2);
}

#[test]
fn a_damaged_run_is_an_error_that_names_the_problem() {
    let parent = tempfile::tempdir().unwrap();
    let message = |run: &Path| match Model::open(run, &cpu()) {
        Ok(_) => panic!("{} was opened", run.display()),
        Err(error) => error.to_string(),
    };
    let damage = |name: &str, file: &str, content: Option<&str>| {
        let run = parent.path().join(name);
        write(&run, false).unwrap();
        match content {
            Some(content) => fs::write(run.join(file), content).unwrap(),
            None => fs::remove_file(run.join(file)).unwrap(),
        }
        message(&run)
    };
    assert!(damage("a", "classes.txt", None).contains("it has no classes.txt"));
    assert!(
        damage("b", "classes.txt", Some("one\n")).contains("names 1 classes and the model has 10")
    );
    assert!(
        damage("c", "config.toml", Some("= nonsense")).contains("is not a valid run configuration")
    );
    assert!(damage("d", "model.safetensors", Some("short")).contains("is not a weights file"));
    assert!(message(&parent.path().join("absent")).contains("there is no model at"));
    assert!(message(parent.path()).contains("is not a run folder"));
}
