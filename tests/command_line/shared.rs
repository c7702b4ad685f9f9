//! Training and predicting on real photos, if `../shared` has them.

use std::path::Path;

use crate::fixtures::{CPU, json, json_lines, run_in, stdout};
use crate::reference::shared;

#[test]
fn cats_and_dogs_are_told_apart_as_well_as_in_pytorch() {
    let (Some(data), Some(weights)) =
        (shared("data/cats_dogs"), shared("weights/resnet18-compressed.pth"))
    else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let [data, weights] = [&data, &weights].map(|path| path.canonicalize().unwrap());
    let (data, weights) = (data.to_str().unwrap(), weights.to_str().unwrap());
    let args = ["train", data, "--weights", weights, "--out", "run", "--device", CPU];
    println!("{}", stdout(&run_in(place.path(), args)));
    let val = format!("{data}/val");
    let scores = json(&run_in(place.path(), ["evaluate", "run", data, "--json", "--device", CPU]));
    let accuracy = scores["accuracy"].as_f64().unwrap();
    // PyTorch reaches 0.9825 on the same photos and weights. The margin of three photos allows for
    // the randomness of training the head.
    assert!(accuracy >= 0.975, "{accuracy}");
    assert_eq!((&scores["images"], &scores["skipped"]), (&400.into(), &0.into()));
    let lines = json_lines(&stdout(&run_in(
        place.path(),
        ["predict", "run", &format!("{val}/cat"), "--json", "--device", CPU],
    )));
    let cats = lines.iter().filter(|line| line["class"] == "cat").count() as u64;
    assert_eq!(scores["confusion"][0][0].as_u64(), Some(cats));
}

#[test]
fn the_pretrained_network_names_imagenet_classes() {
    let (Some(folder), Some(weights)) =
        (shared("data/imagenet_samples"), shared("weights/resnet18-compressed.pth"))
    else {
        return;
    };
    let photo = folder.join("n02391049_zebra.JPEG");
    let args = ["predict", weights.to_str().unwrap(), photo.to_str().unwrap(), "--device", CPU];
    let message = stdout(&run_in(Path::new("."), args));
    let row: Vec<&str> = message.lines().last().unwrap().split_whitespace().collect();
    assert!(row[1] == "zebra" && row[2].parse::<f64>().unwrap() > 90.0, "{message}");
}
