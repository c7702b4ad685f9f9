//! What the pickle of a checkpoint describes, held to what a network's checkpoint can be.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::super::pickle::{Id, Node, Pickle};
use super::invalid;
use crate::printable::shortened;
use crate::weights::{CheckpointError, Foreign};

/// A pickle and the file that it is from.
pub(super) struct Inspection<'a> {
    pub(super) path: &'a Path,
    pub(super) pickle: &'a Pickle,
}

/// A storage that the pickle declares.
#[derive(Debug, PartialEq)]
pub(super) struct Storage {
    pub(super) key: String,
    pub(super) elements: u64,
    pub(super) bytes: u64,
}

/// A tensor may repeat the values of its storage, with a stride of 0, up to this many elements. No
/// layer is saved so; `torch.zeros(1).expand(512)` is.
const MAX_REPEATED: u128 = 1 << 16;
/// The most names that are followed in search of tensors: a pickle may share its dictionaries.
const MAX_NAMES: usize = 200_000;
/// Most nested dictionaries on the way to a tensor.
const MAX_DEPTH: usize = 64;
/// The longest name of a tensor, in bytes.
const MAX_NAME: usize = 1024;
/// The most characters of a class's name in an error.
const LONGEST_CLASS: usize = 80;

impl Inspection<'_> {
    fn foreign(&self, kind: Foreign) -> CheckpointError {
        CheckpointError::Foreign { path: self.path.to_owned(), kind }
    }

    /// What a pickle is that stands alone: a checkpoint's tensors lie beside its pickle.
    pub(super) fn of_plain_pickle(&self) -> CheckpointError {
        let of_torch =
            |node: &Node| matches!(node, Node::Class(name) if name.starts_with("torch."));
        let kind = self.kind();
        self.foreign(match self.pickle.nodes().iter().any(of_torch) {
            true => {
                let expression = "pickle.load(open({file}, 'rb'))";
                let what = format!("a Python pickle of {kind}, not made by torch.save");
                Foreign::python(what, self.path, expression)
            }
            false => Foreign::new(
                format!("a Python pickle of {kind}, without PyTorch's tensors"),
                "save the network's state_dict() with torch.save",
            ),
        })
    }

    /// Checks the root and the sizes of the tensors.
    ///
    /// # Errors
    /// If the root is neither a dictionary nor a module, or a tensor is larger than its storage.
    pub(super) fn of_checkpoint(&self) -> Result<(), CheckpointError> {
        if self.has_module_class() {
            let expression = "torch.load({file}, weights_only=False).state_dict()";
            let what = "a whole model in PyTorch's old format";
            return Err(self.foreign(Foreign::python(what, self.path, expression)));
        }
        self.root()?;
        let names = self.names()?;
        for (id, node) in self.pickle.nodes().iter().enumerate() {
            let Node::Object { arguments, .. } = node else { continue };
            if self.has_metadata(id, *arguments) {
                let name = names.get(&id).map_or("one of its tensors", String::as_str);
                let reason = format!("`{name}` is a negated or conjugated view: save its clone()");
                return Err(invalid(self.path, &reason));
            }
            if let Some(shape) = self.repeated(id, *arguments) {
                let name = names
                    .get(&id)
                    .map_or("one of its tensors".into(), |name| format!("its tensor `{name}`"));
                return Err(invalid(
                    self.path,
                    &format!("{name} has the shape {shape:?}, and its storage fewer values"),
                ));
            }
        }
        Ok(())
    }

    fn root(&self) -> Result<(), CheckpointError> {
        let root = self.pickle.root();
        let python = |what: String, expression: &str| {
            Err(self.foreign(Foreign::python(what, self.path, expression)))
        };
        match self.pickle.node(root) {
            Node::Dict(_) if self.holds_arrays_alone() => python(
                "a dictionary of NumPy arrays".into(),
                "{k: torch.tensor(v) for k, v in torch.load({file}, weights_only=False).items()}",
            ),
            Node::Dict(_) => Ok(()),
            Node::Sequence(entries) => {
                let dictionary =
                    entries.iter().position(|entry| self.pickle.entries(*entry).is_some());
                let what = format!("a Python list of {} entries", entries.len());
                match dictionary {
                    Some(index) => python(what, &format!("torch.load({{file}})[{index}]")),
                    None => Err(self.foreign(Foreign::new(
                        what,
                        "tensors need names: save the network's state_dict() with torch.save",
                    ))),
                }
            }
            Node::Object { .. } if self.is_tensor(root) => Err(self.foreign(Foreign::new(
                "a single tensor",
                "save the network's state_dict() with torch.save",
            ))),
            Node::Object { .. } if self.is_module(root) => Ok(()),
            // A trainer that has its network as an attribute, such as fastai's.
            Node::Object { .. } if self.has(root, "model") => python(
                format!("a pickled {}", self.kind()),
                "torch.load({file}, weights_only=False).model.state_dict()",
            ),
            Node::Object { .. } => python(
                format!("a pickled {}", self.kind()),
                "torch.load({file}, weights_only=False).state_dict()",
            ),
            _ => Err(self.foreign(Foreign::new(
                "a pickle without tensors",
                "save the network's state_dict() with torch.save",
            ))),
        }
    }

    /// The root's class.
    fn kind(&self) -> String {
        let root = self.pickle.root();
        match (self.pickle.class(root), self.pickle.node(root)) {
            (Some(class), _) => format!("`{}`", shortened(class, LONGEST_CLASS)),
            (None, Node::Dict(_)) => "a dictionary".into(),
            (None, Node::Sequence(_)) => "a list".into(),
            _ => "an object".into(),
        }
    }

    /// Whether the classes of modules are stored outside the pickle, as the old format does.
    fn has_module_class(&self) -> bool {
        self.pickle.nodes().iter().any(|node| match node {
            Node::Persistent(id) => {
                let first = self.pickle.sequence(*id).and_then(|id| id.first());
                first.and_then(|id| self.pickle.text(*id)).as_deref() == Some("module")
            }
            _ => false,
        })
    }

    /// Whether the object is a `torch.nn.Module`, by its attributes.
    fn is_module(&self, id: Id) -> bool {
        ["_parameters", "_buffers", "_modules"].iter().all(|name| self.has(id, name))
    }

    /// Whether the dictionary or object has this key or attribute.
    fn has(&self, id: Id, name: &str) -> bool {
        let attributes = self.pickle.entries(id).unwrap_or_default();
        attributes.iter().any(|(key, _)| self.pickle.text(*key).as_deref() == Some(name))
    }

    /// Whether there are NumPy's arrays and no tensors.
    fn holds_arrays_alone(&self) -> bool {
        let class = |found: fn(&str) -> bool| {
            self.pickle.nodes().iter().any(|node| match node {
                Node::Class(name) => found(name),
                _ => false,
            })
        };
        class(|name| name.starts_with("numpy.") && name.ends_with("_reconstruct"))
            && !class(|name| name.starts_with("torch._"))
    }

    fn is_tensor(&self, id: Id) -> bool {
        self.pickle.class(id).is_some_and(|class| {
            class.starts_with("torch._utils._rebuild_")
                || class == "torch._tensor._rebuild_from_type_v2"
        })
    }

    /// The names of the tensors in the dictionaries, lists and modules of the root.
    ///
    /// # Errors
    /// If two tensors get the same name (`{"a": {"b": x}, "a.b": y}`), or the names take far more
    /// memory than those of a network.
    fn names(&self) -> Result<HashMap<Id, String>, CheckpointError> {
        let mut names = HashMap::new();
        let mut seen = HashSet::new();
        let mut open = vec![(String::new(), self.pickle.root(), 0)];
        let mut visited = 0;
        while let Some((path, id, depth)) = open.pop() {
            visited += 1;
            if visited > MAX_NAMES || path.len() > MAX_NAME || depth > MAX_DEPTH {
                return Err(invalid(self.path, &"its names are longer or more than a network's"));
            }
            if self.is_tensor(id) {
                if !seen.insert(path.clone()) {
                    return Err(invalid(self.path, &format!("two tensors are called `{path}`")));
                }
                // A parameter is a call with a tensor as its first argument.
                names.extend(self.with_inner_tensors(id).map(|id| (id, path.clone())));
                continue;
            }
            for (key, id) in self.below(id) {
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                open.push((path, id, depth + 1));
            }
        }
        Ok(names)
    }

    /// What may hold tensors in the dictionary, list or module at `id`, each with its key.
    fn below(&self, id: Id) -> Vec<(String, Id)> {
        let holds = |id: &Id| match self.pickle.node(*id) {
            Node::Dict(_) | Node::Sequence(_) => true,
            Node::Object { .. } => self.is_tensor(*id) || self.is_module(*id),
            _ => false,
        };
        let keyed = |entries: &[(Id, Id)]| -> BTreeMap<String, Id> {
            let named = entries.iter().filter(|(_, value)| holds(value));
            // As in Python, the last of equal keys counts.
            named.filter_map(|(key, value)| Some((self.key(*key)?, *value))).collect()
        };
        match self.pickle.node(id) {
            Node::Dict(entries) => keyed(entries).into_iter().collect(),
            Node::Sequence(entries) => {
                let holding = entries.iter().enumerate().filter(|(_, id)| holds(id));
                holding.map(|(index, id)| (index.to_string(), *id)).collect()
            }
            Node::Object { .. } if self.is_module(id) => {
                let tables = keyed(self.pickle.entries(id).unwrap_or_default());
                let tables = ["_parameters", "_buffers", "_modules"].map(|name| tables.get(name));
                let entries = tables.into_iter().flatten();
                entries
                    .flat_map(|table| keyed(self.pickle.entries(*table).unwrap_or_default()))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// The key at `id`, cut after what a name may have: a pickle may repeat a long text.
    fn key(&self, id: Id) -> Option<String> {
        match self.pickle.node(id) {
            Node::Text(text) => Some(text.chars().take(MAX_NAME + 1).collect()),
            _ => self.pickle.text(id),
        }
    }

    fn with_inner_tensors(&self, id: Id) -> impl Iterator<Item = Id> {
        std::iter::successors(Some(id), |id| {
            let Node::Object { arguments, .. } = self.pickle.node(*id) else { return None };
            let first = *self.pickle.sequence(*arguments)?.first()?;
            self.is_tensor(first).then_some(first)
        })
        .take(MAX_DEPTH)
    }

    /// The shape of the tensor that `arguments` rebuild, if it has more elements than its storage
    /// and than a layer would repeat.
    fn repeated(&self, id: Id, arguments: Id) -> Option<Vec<i64>> {
        if !self.is_tensor(id) {
            return None;
        }
        let [storage, _, shape, ..] = self.pickle.sequence(arguments)? else { return None };
        let Node::Persistent(storage) = self.pickle.node(*storage) else { return None };
        let stored = u128::from(self.storage(*storage)?.elements);
        let shape = self.pickle.numbers(*shape)?;
        let elements = shape
            .iter()
            .try_fold(1u128, |product, side| product.checked_mul(u128::try_from(*side).ok()?));
        let fits = elements.is_some_and(|elements| elements <= stored.max(MAX_REPEATED));
        (!fits).then_some(shape)
    }

    /// Whether a tensor says that its stored values are to be negated or conjugated
    /// (`torch._utils._rebuild_tensor_v2`'s `metadata`).
    fn has_metadata(&self, id: Id, arguments: Id) -> bool {
        let is_plain = self.pickle.class(id) == Some("torch._utils._rebuild_tensor_v2");
        let metadata = self.pickle.sequence(arguments).and_then(|arguments| arguments.get(6));
        let entries = metadata.and_then(|metadata| self.pickle.entries(*metadata));
        is_plain && entries.is_some_and(|entries| !entries.is_empty())
    }

    /// The storage of the persistent id at `id`: `("storage", type, key, device, elements)`.
    fn storage(&self, id: Id) -> Option<Storage> {
        let [_, class, key, _, elements, ..] = self.pickle.sequence(id)? else { return None };
        let class = match self.pickle.node(*class) {
            Node::Class(name) | Node::Text(name) => name.rsplit('.').next().unwrap_or(name),
            _ => return None,
        };
        let Node::Int(elements) = self.pickle.node(*elements) else { return None };
        let elements = u64::try_from(*elements).ok()?;
        let bytes = elements.checked_mul(element_size(class)?)?;
        Some(Storage { key: self.pickle.text(*key)?, elements, bytes })
    }

    /// The storages that the pickle declares, each once.
    ///
    /// # Errors
    /// If one is declared in two sizes, or in a form that is not known.
    pub(super) fn storages(&self) -> Result<Vec<Storage>, CheckpointError> {
        let mut storages: BTreeMap<String, Storage> = BTreeMap::new();
        for node in self.pickle.nodes() {
            let Node::Persistent(id) = node else { continue };
            let storage = self
                .storage(*id)
                .ok_or_else(|| invalid(self.path, &"it has storages of an unknown kind"))?;
            let (key, bytes) = (storage.key.clone(), storage.bytes);
            let first = storages.entry(key).or_insert(storage);
            if first.bytes != bytes {
                let reason = format!("its storage `{}` is declared in two sizes", first.key);
                return Err(invalid(self.path, &reason));
            }
        }
        Ok(storages.into_values().collect())
    }
}

/// The bytes of an element of a storage class.
fn element_size(class: &str) -> Option<u64> {
    Some(match class {
        "ComplexDoubleStorage" => 16,
        "DoubleStorage" | "LongStorage" | "ComplexFloatStorage" => 8,
        "FloatStorage" | "IntStorage" | "QInt32Storage" => 4,
        "HalfStorage" | "BFloat16Storage" | "ShortStorage" => 2,
        "ByteStorage" | "CharStorage" | "BoolStorage" | "UntypedStorage" | "QInt8Storage"
        | "QUInt8Storage" | "QUInt4x2Storage" | "QUInt2x4Storage" => 1,
        _ => return None,
    })
}
