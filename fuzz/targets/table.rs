//! A table of features with any names is read back as it was written, by other libraries.

#![no_main]

use kindling::features::{FeatureTable, TableFormat, TableRow};
use libfuzzer_sys::fuzz_target;
use safetensors::SafeTensors;

/// Features per photo.
const WIDTH: usize = 3;

fuzz_target!(|text: &str| {
    // The first line has the class names, and each other line is a photo.
    let mut lines = text.split('\n');
    let classes: Vec<String> =
        lines.next().unwrap_or_default().split('\t').map(str::to_owned).collect();
    let photos: Vec<TableRow> = lines
        .enumerate()
        .map(|(index, path)| TableRow {
            path: path.to_owned(),
            label: Some(index % classes.len()),
            part: None,
        })
        .collect();
    let features: Vec<f32> = (0..photos.len() * WIDTH).map(|value| value as f32).collect();
    let backbone = "resnet18".to_owned();
    let table =
        FeatureTable { backbone, width: WIDTH, classes, photos, features, ..Default::default() };

    let mut csv = Vec::new();
    table.csv(&mut csv).expect("a vector can be written");
    let mut reader = csv::Reader::from_reader(csv.as_slice());
    let records: Vec<csv::StringRecord> =
        reader.records().collect::<Result<_, _>>().expect("valid CSV");
    assert_eq!(records.len(), table.photos.len(), "a line per photo");
    for (record, photo) in records.iter().zip(&table.photos) {
        let class = &table.classes[photo.label.expect("a label")];
        assert_eq!(&record[0], photo.path, "the path");
        assert_eq!(&record[1], class, "the class");
    }

    let mut file = Vec::new();
    table.write(TableFormat::Safetensors, &mut file).expect("a vector can be written");
    let tensors = SafeTensors::deserialize(&file).expect("a valid safetensors file");
    let features = tensors.tensor("features").expect("the features");
    assert_eq!(features.shape(), [table.photos.len(), WIDTH], "a row per photo");
    let bytes: Vec<u8> = table.features.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(features.data(), bytes, "the values");

    let mut npy = Vec::new();
    table.write(TableFormat::Npy, &mut npy).expect("a vector can be written");
    assert!(npy.ends_with(&bytes), "the values");
});
