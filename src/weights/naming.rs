//! Between the names and shapes of this crate's modules and torchvision's.

use burn::module::Module;
use burn::store::{BurnToPyTorchAdapter, ModuleSnapshot, burn_pack};

/// Field names here and torchvision's: a `Sequential` has numbers where a struct has names.
const RENAMED: [(&str, &str); 2] =
    [(".downsample.conv.", ".downsample.0."), (".downsample.bn.", ".downsample.1.")];

/// The name torchvision gives what is called `name` here.
pub(super) fn torchvision_name(name: &str) -> String {
    RENAMED.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(ours, theirs))
}

/// The name here of what torchvision calls `name`.
pub(super) fn module_name(name: &str) -> String {
    RENAMED.iter().fold(name.to_owned(), |name, (ours, theirs)| name.replace(theirs, ours))
}

/// The module's tensors with torchvision's names and shapes; their data is read when it is asked for.
pub(super) fn torchvision_tensors<M: Module>(module: &M) -> Vec<burn_pack::Tensor> {
    let mut tensors = module.collect(None, Some(Box::new(BurnToPyTorchAdapter)), true);
    for tensor in &mut tensors {
        tensor.name = torchvision_name(&tensor.name);
    }
    tensors
}
