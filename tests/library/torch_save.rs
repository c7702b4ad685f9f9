//! Writes PyTorch checkpoints as `torch.save` does, and some as it never would.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use kindling::weights::Checkpoint;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::reference::fixture;

/// A Python object.
#[derive(Clone)]
pub enum Py {
    Int(i64),
    Text(String),
    List(Vec<Py>),
    Dict(Vec<(Py, Py)>),
    /// An f32 tensor over a storage.
    Tensor {
        storage: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    },
    /// An object: its module and class, and its attributes.
    Object(&'static str, &'static str, Box<Py>),
}

pub fn text(text: &str) -> Py {
    Py::Text(text.to_owned())
}

pub fn dict<'a>(entries: impl IntoIterator<Item = (&'a str, Py)>) -> Py {
    Py::Dict(entries.into_iter().map(|(key, value)| (text(key), value)).collect())
}

pub fn texts(names: &[&str]) -> Py {
    Py::List(names.iter().map(|name| text(name)).collect())
}

/// A checkpoint to be written.
#[derive(Default)]
pub struct Save {
    /// The values of each storage, and how many of them the pickle declares if it lies.
    pub storages: Vec<(Vec<f32>, Option<usize>)>,
    /// Files beside the pickle.
    pub files: Vec<(&'static str, Vec<u8>)>,
    /// Storages that are left out.
    pub missing: Vec<usize>,
    pub deflated: bool,
    /// Tensors are negated views: their storages hold the values with the other sign.
    pub negated: bool,
    /// The archive's folder if it is not `archive`: `torch.save` takes the name of the file.
    pub folder: Option<&'static str>,
}

impl Save {
    /// A contiguous tensor with a storage of its own.
    pub fn tensor(&mut self, shape: &[usize], values: Vec<f32>) -> Py {
        self.storages.push((values, None));
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        Py::Tensor { storage: self.storages.len() - 1, shape: shape.to_vec(), strides }
    }

    /// A tensor of one value that a stride of 0 repeats.
    pub fn repeated(&mut self, shape: &[usize]) -> Py {
        self.storages.push((vec![0.5], None));
        let strides = vec![0; shape.len()];
        Py::Tensor { storage: self.storages.len() - 1, shape: shape.to_vec(), strides }
    }

    /// The tensors of the narrow network with `change` added to each value.
    pub fn narrow(&mut self, change: f32) -> Vec<(String, Py)> {
        let narrow = Checkpoint::open(&fixture("narrow.pth")).unwrap();
        let names = narrow.names().filter(|name| !name.ends_with("num_batches_tracked"));
        names
            .map(|name| {
                let data = narrow.values(name).unwrap().unwrap();
                let values = data.iter::<f32>().map(|value| value + change).collect();
                (name.to_owned(), self.tensor(&narrow.shape(name).unwrap(), values))
            })
            .collect()
    }

    /// Writes the zip archive.
    pub fn write(&self, path: &Path, root: &Py) {
        let mut pickle = b"\x80\x02".to_vec();
        self.pickle(root, &mut pickle);
        pickle.push(b'.');
        self.write_pickle(path, &pickle);
    }

    /// Writes the zip archive with this pickle.
    pub fn write_pickle(&self, path: &Path, pickle: &[u8]) {
        let method = match self.deflated {
            true => CompressionMethod::Deflated,
            false => CompressionMethod::Stored,
        };
        let options = SimpleFileOptions::default().compression_method(method);
        let folder = self.folder.unwrap_or("archive");
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        let mut add = |name: &str, bytes: &[u8]| {
            archive.start_file(format!("{folder}/{name}"), options).unwrap();
            archive.write_all(bytes).unwrap();
        };
        add("data.pkl", pickle);
        add("byteorder", b"little");
        add("version", b"3\n");
        for (name, bytes) in &self.files {
            add(name, bytes);
        }
        for (index, (values, _)) in self.storages.iter().enumerate() {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            if !self.missing.contains(&index) {
                add(&format!("data/{index}"), &bytes);
            }
        }
        let bytes = archive.finish().unwrap().into_inner();
        fs::write(path, with_zip64_end(bytes)).unwrap();
    }

    fn pickle(&self, object: &Py, out: &mut Vec<u8>) {
        match object {
            Py::Int(number) => {
                out.extend([0x8a, 8]);
                out.extend(number.to_le_bytes());
            }
            Py::Text(text) => {
                out.push(b'X');
                out.extend((text.len() as u32).to_le_bytes());
                out.extend(text.bytes());
            }
            Py::List(entries) => {
                out.extend(b"](");
                entries.iter().for_each(|entry| self.pickle(entry, out));
                out.push(b'e');
            }
            Py::Dict(entries) => {
                out.extend(b"}(");
                for (key, value) in entries {
                    self.pickle(key, out);
                    self.pickle(value, out);
                }
                out.push(b'u');
            }
            Py::Tensor { storage, shape, strides } => {
                let (values, declared) = &self.storages[*storage];
                out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
                self.pickle(&text("storage"), out);
                out.extend(b"ctorch\nFloatStorage\n");
                self.pickle(&text(&storage.to_string()), out);
                self.pickle(&text("cpu"), out);
                self.pickle(&Py::Int(declared.unwrap_or(values.len()) as i64), out);
                out.extend(b"tQ");
                self.pickle(&Py::Int(0), out);
                for numbers in [shape, strides] {
                    out.push(b'(');
                    numbers.iter().for_each(|number| self.pickle(&Py::Int(*number as i64), out));
                    out.push(b't');
                }
                out.extend(b"\x89ccollections\nOrderedDict\n)R");
                if self.negated {
                    out.extend(b"}(X\x03\0\0\0neg\x88u");
                }
                out.extend(b"tR");
            }
            Py::Object(module, class, attributes) => {
                out.extend(format!("c{module}\n{class}\n)\u{0}").bytes());
                // NEWOBJ, which is not a character of UTF-8.
                *out.last_mut().unwrap() = 0x81;
                self.pickle(attributes, out);
                out.push(b'b');
            }
        }
    }
}

/// An archive as PyTorch ends it: with the ZIP64 end records, however small it is.
fn with_zip64_end(mut archive: Vec<u8>) -> Vec<u8> {
    let end = archive.split_off(archive.len() - 22);
    let u32_at = |at: usize| u32::from_le_bytes(end[at..at + 4].try_into().unwrap());
    let files = u64::from(u16::from_le_bytes(end[10..12].try_into().unwrap()));
    let record = archive.len() as u64;
    archive.extend(b"PK\x06\x06");
    archive.extend(44u64.to_le_bytes());
    archive.extend([0x1e, 3, 45, 0]);
    archive.extend([0; 8]);
    for number in [files, files, u64::from(u32_at(12)), u64::from(u32_at(16))] {
        archive.extend(number.to_le_bytes());
    }
    archive.extend(b"PK\x06\x07");
    archive.extend([0; 4]);
    archive.extend(record.to_le_bytes());
    archive.extend(1u32.to_le_bytes());
    archive.extend(end);
    archive
}
