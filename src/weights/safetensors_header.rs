//! The header of a safetensors file: <https://github.com/huggingface/safetensors#format>.
//!
//! The `safetensors` crate writes the metadata in the random order of a hash map. This writer
//! always produces the same bytes for the same content, and does not need a second copy of the
//! tensors' data in memory.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use serde::Serialize;

/// Key of the metadata in the header, next to the tensors.
const METADATA: &str = "__metadata__";
/// The length of the header is a multiple of this, so that the data after it is aligned.
const ALIGNMENT: usize = 8;

#[derive(Serialize)]
#[serde(untagged)]
enum Entry<'a> {
    Metadata(&'a BTreeMap<String, String>),
    Tensor(TensorInfo),
}

/// Returns all bytes before the data of `tensors` (name, type, shape). The data must follow in this
/// order, without gaps, in little-endian byte order. To keep all tensors aligned, list wider types
/// first.
///
/// # Panics
/// If two tensors have the same name, or a tensor is named `__metadata__`.
pub fn safetensors_header(
    tensors: &[(&str, Dtype, Vec<usize>)],
    metadata: &BTreeMap<String, String>,
) -> Vec<u8> {
    let mut entries = BTreeMap::from([(METADATA, Entry::Metadata(metadata))]);
    let mut end = 0;
    for (name, dtype, shape) in tensors {
        let start = end;
        end += shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let info = TensorInfo { dtype: *dtype, shape: shape.clone(), data_offsets: (start, end) };
        assert!(
            entries.insert(name, Entry::Tensor(info)).is_none(),
            "duplicate tensor name {name}"
        );
    }
    let mut json = serde_json::to_vec(&entries).expect("strings and integers serialise");
    json.resize(json.len().next_multiple_of(ALIGNMENT), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.extend(json);
    header
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;

    use super::*;

    #[test]
    fn the_safetensors_crate_reads_what_is_written_and_it_is_the_same_each_time() {
        let metadata: BTreeMap<String, String> =
            (0..20).map(|n| (format!("key {n}"), format!("\"value\" {n}\n"))).collect();
        let tensors = [
            ("labels", Dtype::I64, vec![2]),
            ("b", Dtype::F32, vec![1, 3]),
            ("a", Dtype::F16, vec![0]),
        ];
        let header = safetensors_header(&tensors, &metadata);
        assert_eq!(header, safetensors_header(&tensors, &metadata));
        assert_eq!(header.len() % 8, 0);
        let data: Vec<u8> = (0..16 + 12).collect();
        let file = [header, data].concat();
        let read = SafeTensors::deserialize(&file).unwrap();
        assert_eq!(read.tensor("labels").unwrap().data(), (0..16).collect::<Vec<u8>>());
        assert_eq!(read.tensor("b").unwrap().data(), (16..28).collect::<Vec<u8>>());
        assert_eq!((read.tensor("a").unwrap().shape(), read.len()), (&[0][..], 3));
        let (_, found) = SafeTensors::read_metadata(&file).unwrap();
        assert_eq!(found.metadata().clone().unwrap(), metadata.into_iter().collect());
    }
}
