//! The CPU engine: the network compiled for many photos and for few.

use std::sync::OnceLock;

use super::{CpuNetwork, Photos, Tuning};
use crate::backbone::Backbone;
use crate::device::{Backend, Instructions};
use crate::engine::{Engine, EngineError, FeatureMap, NetworkSpec, Pending, Workload};
use crate::photos::Preprocessing;

/// Runs a network on the processor. The network is compiled when it is first needed.
pub struct CpuEngine<'a> {
    backbone: &'a Backbone,
    preprocessing: Preprocessing,
    many: LazyNetwork,
    few: LazyNetwork,
}

type LazyNetwork = OnceLock<Result<Compiled, EngineError>>;

/// A compiled network and its input table.
struct Compiled {
    network: CpuNetwork,
    /// The normalised value of each byte of each channel.
    normalised: Box<[[f32; 256]; 3]>,
}

impl<'a> CpuEngine<'a> {
    /// The engine for `backbone`. Nothing is compiled yet.
    pub fn new(backbone: &'a Backbone, preprocessing: Preprocessing) -> Self {
        Self { backbone, preprocessing, many: LazyNetwork::new(), few: LazyNetwork::new() }
    }

    fn compiled(&self, workload: Workload) -> Result<&Compiled, EngineError> {
        let (compiled, tuning) = match workload {
            Workload::Few => (&self.few, Tuning::for_one_photo()),
            Workload::Many => (&self.many, Tuning::default()),
        };
        if compiled.get().is_none() {
            // Not inside `get_or_init`: all threads help to compile, and while a thread waits for
            // the others, rayon may run a call on it that gets here again.
            let side = self.preprocessing.crop as usize;
            let result = NetworkSpec::of(self.backbone).and_then(|spec| {
                let network = CpuNetwork::of(&spec, [side, side], tuning)?;
                let normalised = Box::new(self.preprocessing.normalised());
                Ok(Compiled { network, normalised })
            });
            let _ = compiled.set(result);
        }
        compiled.wait().as_ref().map_err(Clone::clone)
    }
}

impl Engine for CpuEngine<'_> {
    fn launch(&self, pixels: Vec<u8>, workload: Workload) -> Result<Pending<'_>, EngineError> {
        let Compiled { network, normalised } = self.compiled(workload)?;
        let rows = network.features(Photos::Bytes(&pixels, normalised));
        // The network for few photos rounds differently.
        let is_cacheable = workload == Workload::Many;
        Ok(Pending { is_cacheable, ..Pending::ready(rows) })
    }

    fn feature_map(&self, pixels: Vec<u8>) -> Result<FeatureMap, EngineError> {
        let Compiled { network, normalised } = self.compiled(Workload::Many)?;
        let values = network.feature_map(Photos::Bytes(&pixels, normalised));
        let [channels, height, width] = network.map_shape();
        Ok(FeatureMap { channels, height, width, values })
    }

    fn fingerprint(&self) -> String {
        format!("{}, {}", Backend::Cpu, Instructions::best())
    }

    fn batch_size(&self) -> usize {
        CpuNetwork::batch_size()
    }

    fn kernels(&self) -> &'static str {
        "own"
    }
}
