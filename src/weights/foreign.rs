//! Files that hold no weights that can be read here, by their first bytes: what they are, and how
//! to get at the weights.

use std::path::Path;

/// What a file is, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The kind of file: `an ONNX model`.
    pub what: String,
    /// The way to readable weights.
    pub remedy: String,
}

/// Longest file name that a line of Python repeats.
const LONGEST_NAME: usize = 40;

const EXPORTED: &str = "Kindling reads PyTorch, safetensors and burnpack files: save the network's \
                        state_dict() in PyTorch, or give the run or file that it was made from";
const UNPACK: &str = "unpack it first";

impl Foreign {
    pub(super) fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: remedy.into() }
    }

    /// The kind whose remedy is a line of Python: `expression` of `{file}`, saved.
    pub(super) fn python(what: impl Into<String>, path: &Path, expression: &str) -> Self {
        let (file, out) = python_names(path);
        let expression = expression.replace("{file}", &file);
        let line = format!("torch.save({expression}, {out})");
        Self::new(what, format!("this line of Python makes it readable: {line}"))
    }

    /// The kind of the file `path` that begins with `start`, if it is a known one.
    pub(super) fn by_first_bytes(path: &Path, start: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(start).trim_start().to_ascii_lowercase();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        let at = |offset: usize, magic: &[u8]| {
            start.get(offset..).is_some_and(|start| start.starts_with(magic))
        };
        let new = |what: &str, remedy: &str| Some(Self::new(what, remedy));
        if start.is_empty() {
            return new("an empty file", "copy or download it again");
        }
        if text.starts_with("version https://git-lfs") {
            return new(
                "a Git LFS pointer, not the file itself",
                "fetch the file with `git lfs pull`",
            );
        }
        if text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<?xml") {
            return new(
                "a web page, saved in place of the file",
                "download the file itself (a raw or resolve link)",
            );
        }
        if text.starts_with('{') && text.contains("\"weight_map\"") || name.ends_with(".index.json")
        {
            return Some(sharded(path, "an index of weights in several files"));
        }
        for (offset, magic, what, remedy) in MAGIC {
            if at(offset, magic) {
                return new(what, remedy);
            }
        }
        if is_onnx(start) || name.ends_with(".onnx") {
            return new("an ONNX model", EXPORTED);
        }
        if name.contains(".ckpt.") || name.contains(".data-0000") {
            return new("a part of a TensorFlow checkpoint", EXPORTED);
        }
        if name.ends_with(".pb") || name.ends_with(".pbtxt") {
            return new("a TensorFlow graph", EXPORTED);
        }
        if text.starts_with(['{', '[']) {
            return new("a JSON file", EXPORTED);
        }
        None
    }

    /// The kind of a zip archive without PyTorch's `data.pkl`, from the names in it.
    pub(super) fn zip<'a>(mut names: impl Iterator<Item = &'a str>) -> Self {
        let kind = names.find_map(|name| {
            let last = name.rsplit('/').next().unwrap_or(name);
            match last {
                "model.weights.h5" => Some("a Keras model"),
                "serialized_exported_program.json" | "archive_format" => {
                    Some("a program that torch.export wrote")
                }
                _ if last.ends_with(".npy") => Some("a NumPy archive (.npz)"),
                _ if last.ends_with(".pth") || last.ends_with(".safetensors") => {
                    Some("a zip archive with weights in it")
                }
                _ => None,
            }
        });
        let remedy =
            if kind.is_some_and(|kind| kind.contains("in it")) { UNPACK } else { EXPORTED };
        Self::new(kind.unwrap_or("a zip archive without PyTorch's data.pkl"), remedy)
    }

    /// One of several files that hold a network together, by its name:
    /// `pytorch_model-00001-of-00002.bin`.
    pub(super) fn shard(path: &Path) -> Option<Self> {
        let stem = path.file_stem()?.to_str()?;
        let (before, count) = stem.rsplit_once("-of-")?;
        let (_, index) = before.rsplit_once('-')?;
        let (index, count): (u32, u32) = (index.parse().ok()?, count.parse().ok()?);
        let several = count > 1 && index <= count;
        several.then(|| sharded(path, &format!("file {index} of {count} of one network")))
    }
}

fn sharded(path: &Path, what: &str) -> Foreign {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let remedy = match name.contains(".safetensors") {
        true => {
            "join them in Python: safetensors.torch.save_file({k: v for f in \
             glob.glob('*-of-*.safetensors') for k, v in safetensors.torch.load_file(f).items()}, \
             'joined.safetensors')"
        }
        false => {
            "join them in Python: torch.save({k: v for f in glob.glob('*-of-*.bin') \
             for k, v in torch.load(f).items()}, 'joined.pth')"
        }
    };
    Foreign::new(what, remedy)
}

/// First bytes, with what begins so.
const MAGIC: [(usize, &[u8], &str, &str); 17] = [
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras or TensorFlow)", EXPORTED),
    (4, b"TFL3", "a TensorFlow Lite model", EXPORTED),
    (0, b"GGUF", "a GGUF file", EXPORTED),
    (0, b"\x93NUMPY", "a NumPy array", EXPORTED),
    (0, b"PAR1", "a Parquet table", EXPORTED),
    (0, b"\x1f\x8b", "compressed with gzip", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd", UNPACK),
    (0, b"\xfd7zXZ", "compressed with xz", UNPACK),
    (0, b"BZh", "compressed with bzip2", UNPACK),
    (0, b"7z\xbc\xaf", "a 7z archive", UNPACK),
    (0, b"Rar!", "a RAR archive", UNPACK),
    (0, b"PK\x05\x06", "an empty zip archive", "copy or download it again"),
    (0, b"%PDF", "a PDF document", EXPORTED),
    (0, b"\xff\xd8\xff", "a photo (JPEG), not a model", "give the model first, then photos"),
    (0, b"\x89PNG", "a photo (PNG), not a model", "give the model first, then photos"),
    (8, b"WEBP", "a photo (WebP), not a model", "give the model first, then photos"),
    (0, b"\x7fELF", "a program", EXPORTED),
];

/// A protobuf whose first fields are ONNX's: `ir_version`, then a text or the graph.
fn is_onnx(start: &[u8]) -> bool {
    matches!(start, [0x08, 1..=32, 0x12 | 0x1a | 0x22 | 0x2a | 0x32 | 0x3a | 0x42, ..])
}

/// The names of the file and of what Python makes of it, as Python's string literals.
fn python_names(path: &Path) -> (String, String) {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = |character: char| character.is_ascii_alphanumeric() || "._- ".contains(character);
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(plain) {
        return ("'f.pt'".into(), "'f.pth'".into());
    }
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let out = format!("{stem}.pth");
    let out = if out == name { format!("{stem}-weights.pth") } else { out };
    (format!("'{name}'"), format!("'{out}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, start: &[u8]) -> String {
        Foreign::by_first_bytes(Path::new(name), start).map_or(String::new(), |kind| kind.what)
    }

    #[test]
    fn files_that_people_take_for_weights_are_named() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
        for (name, start, what) in [
            ("a.pth", &b""[..], "an empty file"),
            ("a.pth", pointer, "a Git LFS pointer"),
            ("a.pth", b"\n<!DOCTYPE html><html>", "a web page"),
            ("a.h5", b"\x89HDF\r\n\x1a\n\0\0", "an HDF5 file"),
            ("a.pth", b"\x08\x08\x12\x07pytorch", "an ONNX model"),
            ("a.onnx", b"\x3a\x10", "an ONNX model"),
            ("a.tflite", b"\x1c\0\0\0TFL3", "a TensorFlow Lite model"),
            ("a.pth", b"{\"metadata\": {}, \"weight_map\": {}}", "an index of weights"),
            ("a.pth", b"{\"a\": 1}", "a JSON file"),
            ("a.pth", b"plain words", ""),
            ("a.pth", b"\x01\x02\x03", ""),
        ] {
            let found = kind(name, start);
            assert!(found.starts_with(what) && found.is_empty() == what.is_empty(), "{found}");
        }
    }

    #[test]
    fn a_shard_is_known_by_its_name() {
        let shard = |name: &str| Foreign::shard(Path::new(name)).map(|shard| shard.what);
        assert_eq!(
            shard("x/pytorch_model-00001-of-00002.bin").unwrap(),
            "file 1 of 2 of one network"
        );
        assert_eq!(shard("model-00001-of-00001.safetensors"), None);
        assert_eq!(shard("best-of-all.pth"), None);
    }

    #[test]
    fn a_line_of_python_never_overwrites_the_file_or_breaks_its_quotes() {
        let python = |name: &str| Foreign::python("x", Path::new(name), "f({file})").remedy;
        assert!(python("d/a.pt").ends_with("torch.save(f('a.pt'), 'a.pth')"));
        assert!(python("a.pth").ends_with("torch.save(f('a.pth'), 'a-weights.pth')"));
        assert!(python("it's.pt").ends_with("torch.save(f('f.pt'), 'f.pth')"));
    }
}
