//! Finds the network among a file's tensors, whatever their names begin with.
//!
//! Training scripts wrap networks: `module.` (DataParallel), `_orig_mod.` (torch.compile), `model.`
//! (Lightning), `backbone.`, and dictionaries such as `state_dict`, which count as prefixes too. A
//! prefix is found by structure: the names after it are those of a known network. If several
//! networks are found, equal ones count once; among different ones, an averaged one (`ema`) is
//! taken before any other, a query, online or teacher network before any other, and a key,
//! momentum, target or student network last, as timm and the authors of these methods do. Two
//! different ones of the same rank are refused.

use std::collections::{BTreeMap, BTreeSet};

use burn::store::{bridge, burn_pack::Tensor};

use super::head_layer::{self, HeadForm};
use crate::backbone::{Architecture, OtherNaming};
use crate::printable::shortened;

/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// Parts that wrappers of single layers insert into names: DataParallel, torch.compile, FSDP,
/// activation checkpointing. At the beginning of a name they are prefixes like any other.
const WRAPPERS: [&str; 4] =
    ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/// Limits of what is tried as a prefix: parts, bytes, and prefixes in a file.
const MAX_PARTS: usize = 16;
const MAX_PREFIX: usize = 512;
const MAX_PREFIXES: usize = 50_000;
/// The most characters of a prefix in a message.
pub(super) const LONGEST_PREFIX: usize = 48;

/// A file's tensors as those of one network.
#[derive(Default)]
pub(super) struct Layout {
    /// The network's tensors by their published names. All tensors of an unknown network.
    pub(super) tensors: Tensors,
    /// What the names of the network's tensors begin with in the file, empty or with a dot at the
    /// end.
    pub(super) prefix: String,
    /// The form of the head.
    pub(super) head: HeadForm,
    /// The other tensors' names.
    pub(super) unused: Vec<String>,
    /// Why this network was taken and not another one in the file.
    pub(super) choice: Option<String>,
}

/// Different networks in one file, none of which is the obvious one: their prefixes.
#[derive(Debug)]
pub(super) struct Ambiguous(pub(super) Vec<String>);

/// A known network in the file.
struct Candidate {
    prefix: String,
    architecture: Architecture,
    /// Published names to names in the file, of all tensors under the prefix.
    names: BTreeMap<String, String>,
}

impl Layout {
    /// Finds the network among `tensors`.
    ///
    /// # Errors
    /// If there are several that differ.
    pub(super) fn of(tensors: Tensors) -> Result<Self, Ambiguous> {
        let mut tensors = without_wrappers(tensors);
        let prefixes = prefixes(&tensors);
        let mut candidates: Vec<Candidate> =
            prefixes.iter().filter_map(|prefix| candidate(&tensors, prefix)).collect();
        if candidates.is_empty() {
            return Ok(unknown(tensors, &prefixes));
        }
        candidates.sort_by_key(|found| {
            (rank(&found.prefix), usize::MAX - found.names.len(), found.prefix.len())
        });
        let first = candidates.remove(0);
        let others = candidates;
        let differing: Vec<&Candidate> =
            others.iter().filter(|other| differ(&tensors, &first, other)).collect();
        let same_rank = |other: &&&Candidate| rank(&other.prefix) == rank(&first.prefix);
        if differing.iter().any(|other| same_rank(&other)) {
            let equals = differing.iter().filter(same_rank).map(|other| other.prefix.clone());
            return Err(Ambiguous([first.prefix.clone()].into_iter().chain(equals).collect()));
        }
        let choice = differing.first().map(|other| {
            let [first, other] =
                [&first.prefix, &other.prefix].map(|it| shortened(it, LONGEST_PREFIX));
            format!("of two different networks, `{first}` is used and `{other}` is not")
        });
        let others: Vec<&str> = others.iter().map(|other| other.prefix.as_str()).collect();
        let mut names = first.names;
        let nested = |other: &&&str| other.len() > first.prefix.len();
        names.retain(|published, name| {
            let elsewhere = others.iter().filter(nested).any(|other| name.starts_with(other));
            !elsewhere && !head_layer::is_auxiliary(published)
        });
        let head =
            head_layer::find(&tensors, &first.prefix, &mut names, &first.architecture, &others);
        let mut found = Tensors::new();
        for (published, name) in names {
            if let Some(tensor) = tensors.remove(&name) {
                found.insert(published, tensor);
            }
        }
        let unused = tensors.into_keys().collect();
        Ok(Self { tensors: found, prefix: first.prefix, head, unused, choice })
    }
}

/// Removes the wrappers from names, unless two names would become equal.
fn without_wrappers(tensors: Tensors) -> Tensors {
    let canonical = |name: &str| {
        let mut parts = name.split('.');
        let first = parts.next();
        let inner = parts.filter(|part| !WRAPPERS.contains(part));
        first.into_iter().chain(inner).collect::<Vec<_>>().join(".")
    };
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for name in tensors.keys() {
        *count.entry(canonical(name)).or_default() += 1;
    }
    let renamed = tensors.into_iter().map(|(name, tensor)| {
        let short = canonical(&name);
        match count.get(&short) {
            Some(1) => (short, tensor),
            _ => (name, tensor),
        }
    });
    renamed.collect()
}

/// Everything that a name may begin with, up to a dot.
fn prefixes(tensors: &Tensors) -> BTreeSet<String> {
    let mut prefixes = BTreeSet::from([String::new()]);
    for name in tensors.keys() {
        for (dot, _) in name.match_indices('.').take(MAX_PARTS) {
            if dot < MAX_PREFIX && prefixes.len() < MAX_PREFIXES {
                prefixes.insert(name[..=dot].to_owned());
            }
        }
    }
    prefixes
}

fn under<'a>(tensors: &'a Tensors, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    tensors
        .range(prefix.to_owned()..)
        .map_while(move |(name, _)| Some((name.strip_prefix(prefix)?, name.as_str())))
}

fn candidate(tensors: &Tensors, prefix: &str) -> Option<Candidate> {
    let shape = |name: &str| Some(tensors.get(&format!("{prefix}{name}"))?.shape.to_vec());
    if let Some(Ok(architecture)) = Architecture::recognised(shape) {
        let names =
            under(tensors, prefix).map(|(name, full)| (name.to_owned(), full.to_owned())).collect();
        let prefix = prefix.to_owned();
        return Some(Candidate { prefix, architecture, names });
    }
    OtherNaming::all().find_map(|naming| {
        if !tensors.contains_key(&format!("{prefix}{}", naming.anchor)) {
            return None;
        }
        let names: BTreeMap<String, String> = under(tensors, prefix)
            .filter_map(|(name, full)| Some(((naming.published)(name)?, full.to_owned())))
            .collect();
        let shape = |name: &str| Some(tensors.get(names.get(name)?)?.shape.to_vec());
        let architecture = Architecture::recognised(shape)?.ok()?;
        let prefix = prefix.to_owned();
        Some(Candidate { prefix, architecture, names })
    })
}

/// The tensors of an unknown network. If most of them have a prefix after which they look like an
/// unknown member of a known family, it is removed, so that the error can say which.
fn unknown(tensors: Tensors, prefixes: &BTreeSet<String>) -> Layout {
    let is_relative = |prefix: &&String| {
        let shape = |name: &str| Some(tensors.get(&format!("{prefix}{name}"))?.shape.to_vec());
        2 * under(&tensors, prefix).count() > tensors.len()
            && Architecture::recognised(shape).is_some()
    };
    let prefix = prefixes.iter().filter(is_relative).min_by_key(|prefix| prefix.len());
    let prefix = prefix.cloned().unwrap_or_default();
    let tensors = tensors
        .into_iter()
        .map(|(name, tensor)| match name.strip_prefix(&prefix) {
            Some(rest) => (rest.to_owned(), tensor),
            None => (name, tensor),
        })
        .collect();
    Layout { tensors, prefix, ..Layout::default() }
}

/// Which of several networks is taken: the lower, the sooner.
fn rank(prefix: &str) -> u8 {
    let prefix = prefix.to_ascii_lowercase();
    let has = |words: &[&str]| prefix.split(['.', '_', '-']).any(|word| words.contains(&word));
    let part = |name: &str| prefix.split('.').any(|part| part == name);
    if has(&["ema", "swa", "averaged"]) {
        return 0;
    }
    if part("encoder_q") || part("base_encoder") || has(&["online", "teacher", "query"]) {
        return 1;
    }
    match part("encoder_k") || has(&["momentum", "target", "student", "key"]) {
        true => 3,
        false => 2,
    }
}

/// Whether the two networks differ in a tensor that both have.
fn differ(tensors: &Tensors, one: &Candidate, other: &Candidate) -> bool {
    if one.architecture.to_string() != other.architecture.to_string() {
        return true;
    }
    let shared = one.names.iter().filter_map(|(published, name)| {
        Some((tensors.get(name)?, tensors.get(other.names.get(published)?)?))
    });
    let counted = |tensor: &Tensor| tensor.name.ends_with("num_batches_tracked");
    shared.filter(|(one, _)| !counted(one)).any(|(one, other)| {
        one.shape != other.shape
            || match (bridge::to_data(one), bridge::to_data(other)) {
                (Ok(one), Ok(other)) => one.convert::<f32>() != other.convert::<f32>(),
                // A value that cannot be read is reported when the network is loaded.
                _ => false,
            }
    })
}
