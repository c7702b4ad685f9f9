//! A pickle as data: which dictionaries, lists, tensors and objects it describes.
//!
//! Nothing in it is executed. What a call would build is kept as the name of what is called and its
//! arguments. Objects lie in one array and refer to each other by index, as they do in Python: a
//! pickle that shares or repeats objects costs no more memory than its own length.

mod classes;
mod machine;
mod opcode;

use std::io::{self, BufRead};

/// The index of a node.
pub(super) type Id = usize;

/// A Python object.
#[derive(Debug)]
pub(super) enum Node {
    /// `None`, a float, bytes: what no check here looks at.
    Other,
    Int(i64),
    Text(String),
    /// A list, tuple or set.
    Sequence(Vec<Id>),
    /// A dictionary, in its order.
    Dict(Vec<(Id, Id)>),
    /// A class or function: `torch._utils._rebuild_tensor_v2`.
    Class(String),
    /// An object: what was called, with which arguments, and the state it got.
    Object {
        class: Id,
        arguments: Id,
        state: Option<Id>,
    },
    /// An object outside the pickle, such as a storage.
    Persistent(Id),
}

/// A parsed pickle.
pub(super) struct Pickle {
    nodes: Vec<Node>,
    root: Id,
}

/// Why a pickle cannot be parsed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PickleError {
    #[error(transparent)]
    Read(#[from] io::Error),
    #[error("its pickle is damaged: {0}")]
    Damaged(&'static str),
    #[error("its pickle has an unknown instruction, {0:#04x}")]
    Opcode(u8),
    #[error("its pickle holds more Python objects than a checkpoint has")]
    TooLarge,
}

/// The longest pickle that is read, in bytes. ResNet-34's has 30 kB.
pub(super) const MAX_BYTES: u64 = 16 << 20;
/// The most instructions that are followed. ResNet-34's pickle has 10,000.
const MAX_STEPS: usize = 2_000_000;

impl Pickle {
    /// Parses one pickle and leaves `input` after its end.
    ///
    /// # Errors
    /// If it is damaged, or larger than any checkpoint's.
    pub(super) fn parse(input: &mut impl BufRead) -> Result<Self, PickleError> {
        machine::run(input)
    }

    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(super) fn root(&self) -> Id {
        self.root
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    /// The text or the number at `id`, as Python's `str` gives it.
    pub(super) fn text(&self, id: Id) -> Option<String> {
        match self.node(id) {
            Node::Text(text) => Some(text.clone()),
            Node::Int(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The entries of a list, tuple or set.
    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::Sequence(entries) => Some(entries),
            _ => None,
        }
    }

    /// The whole numbers in a tuple or list, such as a shape.
    pub(super) fn numbers(&self, id: Id) -> Option<Vec<i64>> {
        let number = |id: &Id| match self.node(*id) {
            Node::Int(number) => Some(*number),
            _ => None,
        };
        self.sequence(id)?.iter().map(number).collect()
    }

    /// The entries of a dictionary, or of the attributes of an object.
    pub(super) fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.node(id) {
            Node::Dict(entries) => Some(entries),
            Node::Object { state: Some(state), .. } => match self.node(*state) {
                Node::Dict(entries) => Some(entries),
                _ => None,
            },
            _ => None,
        }
    }

    /// The keys of the root whose values are dictionaries or objects.
    pub(super) fn dictionaries(&self) -> Vec<String> {
        let entries = self.entries(self.root).unwrap_or_default().iter();
        entries
            .filter(|(_, value)| self.entries(*value).is_some())
            .filter_map(|(key, _)| self.text(*key))
            .collect()
    }

    /// The full name of the class of the object at `id`.
    pub(super) fn class(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Object { class, .. } => match self.node(*class) {
                Node::Class(name) => Some(name),
                _ => None,
            },
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Result<Pickle, PickleError> {
        Pickle::parse(&mut &bytes[..])
    }

    #[test]
    fn every_protocols_dictionary_is_read() {
        // pickle.dumps({"a": (1, 300, -2)}, protocol) for the protocols 0, 1, 2 and 4.
        for bytes in [
            &b"(dp0\nVa\np1\n(I1\nI300\nI-2\ntp2\ns."[..],
            b"}q\x00X\x01\x00\x00\x00aq\x01(K\x01M,\x01J\xfe\xff\xff\xfftq\x02s.",
            b"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01K\x01M,\x01J\xfe\xff\xff\xff\x87q\x02s.",
            b"\x80\x04\x95\x13\0\0\0\0\0\0\0}\x94\x8c\x01a\x94K\x01M,\x01J\xfe\xff\xff\xff\x87\x94s.",
        ] {
            let pickle = parsed(bytes).unwrap();
            let [(key, value)] = pickle.entries(pickle.root()).unwrap() else { panic!() };
            assert_eq!(pickle.text(*key).unwrap(), "a");
            assert_eq!(pickle.numbers(*value).unwrap(), [1, 300, -2]);
        }
    }

    #[test]
    fn damaged_pickles_are_errors() {
        for bytes in [&b""[..], b".", b"\x80\x02", b"}q", b"(", b"h\x05.", b"a.", b"\xffN.", b"R."]
        {
            assert!(parsed(bytes).is_err(), "{bytes:?}");
        }
        // A text of 4 GB that is not there.
        assert!(parsed(b"X\xff\xff\xff\xffa").is_err());
    }

    #[test]
    fn a_pickle_that_doubles_its_objects_is_small() {
        // memo[n] = (memo[n - 1], memo[n - 1]), a hundred times: 2^100 leaves.
        let mut bytes = b"\x80\x02Nq\x00".to_vec();
        for level in 0..100 {
            bytes.extend([b'h', level, b'h', level, 0x86, b'q', level + 1]);
        }
        bytes.push(b'.');
        assert!(parsed(&bytes).unwrap().nodes().len() < 200);
        let many = [&[b'N'; 3_000_000][..], b"."].concat();
        assert!(matches!(parsed(&many), Err(PickleError::TooLarge)));
    }
}
