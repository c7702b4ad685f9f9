//! Decoding and preprocessing photos on one thread, one pass over a folder per line of standard
//! input, so that a driver can alternate several programs.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use kindling::photos::{Preprocessing, decode};

/// What a photo becomes.
#[derive(Clone, Copy)]
enum Output {
    /// RGB bytes of the square, which is what Kindling's engines take.
    Bytes,
    /// Normalised planes, torchvision's `ToTensor()` and `Normalize(mean, std)`.
    Tensor,
}

/// Runs the worker. `words` are a folder of photos and `bytes` or `tensor`. Prints `ready`, then the
/// seconds of one pass over all photos per line of input.
pub fn run(words: &[String]) -> Result<(), Box<dyn Error>> {
    let (folder, output) = match words {
        [folder] => (folder, Output::Bytes),
        [folder, output] if output == "bytes" => (folder, Output::Bytes),
        [folder, output] if output == "tensor" => (folder, Output::Tensor),
        _ => return Err("--decode-worker takes FOLDER [bytes|tensor]".into()),
    };
    let mut paths = Vec::new();
    list(Path::new(folder), &mut paths)?;
    if paths.is_empty() {
        return Err(format!("{folder}: there are no photos (.jpg, .jpeg, .png)").into());
    }
    paths.sort();
    pass(&paths, output)?;
    let mut out = io::stdout().lock();
    writeln!(out, "ready")?;
    out.flush()?;
    for line in io::stdin().lock().lines() {
        line?;
        let start = Instant::now();
        pass(&paths, output)?;
        writeln!(out, "{:.9}", start.elapsed().as_secs_f64())?;
        out.flush()?;
    }
    Ok(())
}

fn pass(paths: &[PathBuf], output: Output) -> Result<(), Box<dyn Error>> {
    let preprocessing = Preprocessing::IMAGENET;
    for path in paths {
        let photo = decode(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let pixels = preprocessing.crop(&photo);
        match output {
            Output::Bytes => drop(black_box(pixels)),
            Output::Tensor => drop(black_box(preprocessing.normalise(&pixels))),
        }
    }
    Ok(())
}

/// Adds the photos below a folder, by the endings of their names.
fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_dir() {
            list(&path, paths)?;
        } else if ["jpg", "jpeg", "png"].contains(&ending.to_lowercase().as_str()) {
            paths.push(path);
        }
    }
    Ok(())
}
