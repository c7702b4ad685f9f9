//! Backbones whose weights stay in their file until an engine needs them.

use std::collections::BTreeMap;
use std::sync::mpsc::sync_channel;
use std::thread;

use burn::tensor::Device;

use super::import::check;
use super::{Checkpoint, ImportError, import};
use crate::backbone::{Architecture, Backbone, WeightsDigest};
use crate::engine::PackedCache;
use crate::plan::Planned;

/// When the weights of a backbone are read.
#[derive(Clone, Copy, Debug, Default)]
pub enum Reading<'a> {
    /// At once, into a module on the device.
    #[default]
    Now,
    /// One by one when an engine needs them, and again if it needs them again: they are never all
    /// in memory. A cache knows the digests of files that were read before, which need not be read to
    /// be known.
    Later(Option<&'a PackedCache>),
}

/// Loads the backbone of a file for `device`, as [`backbone`](super::backbone) does, or leaves its
/// weights in the file. Those are read once here unless the cache knows their digest, so that a
/// file that cannot be used is refused.
///
/// # Errors
/// See [`backbone`](super::backbone).
pub fn backbone_with(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    device: &Device,
    reading: Reading,
) -> Result<Backbone, ImportError> {
    let now = || import::backbone(checkpoint, architecture, device);
    let Reading::Later(cache) = reading else { return now() };
    // A network without a plan runs as a module.
    let Ok(plan) = architecture.init(device).plan() else { return now() };
    let naming = architecture.naming();
    let tensors = plan.tensors();
    let expected: BTreeMap<String, Vec<usize>> =
        tensors.iter().map(|(name, shape)| (naming.published(name), shape.clone())).collect();
    check(checkpoint, architecture, &expected)?;
    let deferred =
        tensors.iter().filter_map(|(name, _)| checkpoint.deferred(&naming.published(name), name));
    let deferred = deferred.collect();
    let identity = checkpoint.identity();
    let known = identity.and_then(|identity| cache?.digest(&identity));
    let sha256 = match known {
        Some(sha256) => sha256,
        None => {
            let mut names: Vec<&str> = tensors.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            let sha256 = digest(checkpoint, architecture, &names)?;
            if let (Some(identity), Some(cache)) = (identity, cache) {
                cache.remember(&identity, &sha256);
            }
            sha256
        }
    };
    Ok(Backbone::deferred(architecture, device, deferred, sha256))
}

/// Reads all tensors `names`, in this order, and returns their digest: [`Backbone::sha256`].
fn digest(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    names: &[&str],
) -> Result<[u8; 32], ImportError> {
    let naming = architecture.naming();
    let mut digest = WeightsDigest::default();
    thread::scope(|scope| {
        // One thread reads while the other hashes.
        let (send, receive) = sync_channel(1);
        scope.spawn(move || {
            for name in names {
                let values = checkpoint.values(&naming.published(name));
                if send.send((name, values)).is_err() {
                    return;
                }
            }
        });
        for (name, values) in receive {
            // `check` found them all.
            if let Some(data) = values? {
                digest.add(name, data.shape(), data.as_bytes());
            }
        }
        Ok(digest.finish())
    })
}
