//! The architectures, one family per file.
//!
//! Adding one is a file here and a line in `architectures!`: see CONTRIBUTING.md.
//! `tests/library/architectures.rs` then checks it on every engine.

use burn::module::Module;
use burn::tensor::Device;

use super::family::Family;
use super::forward::{Forward, Tensors};
use crate::plan::Planned;

/// Declares each family's module and puts its network into [`Network`].
macro_rules! architectures {
    ($($module:ident: $network:ident),* $(,)?) => {
        $(pub mod $module;)*
        $(pub use $module::$network;)*

        /// Every family of architectures.
        pub(super) const FAMILIES: &[Family] = &[$($module::FAMILY),*];

        /// The network of a backbone: everything before the fully connected layer.
        ///
        /// It is a Burn module: on an autodiff device it has gradients, and parameter groups select
        /// parts of it by path (`ResNet.layer4.0.conv1.weight`), such as
        /// `ParamGroup::from_predicate("layer4")`.
        #[derive(Module, Debug)]
        #[allow(clippy::large_enum_variant, reason = "a program holds one or two networks")]
        pub enum Network {
            $(
                #[doc = concat!("A network of [`", stringify!($module), "`].")]
                $network($network),
            )*
        }

        /// The network with this name, with zero weights on `device`.
        pub(super) fn build(name: &str, device: &Device) -> Option<Network> {
            $(
                if let Some(network) = $module::build(name, device) {
                    return Some(Network::$network(network));
                }
            )*
            None
        }

        // The module inside the enum. The names of its tensors do not start with the enum's
        // variant.
        impl Network {
            pub(super) fn as_forward(&self) -> &dyn Forward {
                match self { $(Self::$network(network) => network,)* }
            }

            pub(super) fn as_planned(&self) -> &dyn Planned {
                match self { $(Self::$network(network) => network,)* }
            }

            pub(super) fn as_tensors(&self) -> &dyn Tensors {
                match self { $(Self::$network(network) => network,)* }
            }

            pub(super) fn as_tensors_mut(&mut self) -> &mut dyn Tensors {
                match self { $(Self::$network(network) => network,)* }
            }
        }
    };
}

architectures! {
    resnet: ResNet,
    efficientnet_lite: EfficientNetLite,
}
