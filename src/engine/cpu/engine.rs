//! The CPU engine: the network compiled for many photos and for few.

use std::cell::OnceCell;
use std::sync::OnceLock;

use super::packed::{LAYOUT_VERSION, Packer};
use super::packed_file::PackedFile;
use super::{CpuNetwork, Photos, Tuning};
use crate::backbone::Backbone;
use crate::device::{Backend, Instructions};
use crate::engine::packed_cache::Key;
use crate::engine::spec::WeightsAtSource;
use crate::engine::{Engine, EngineError, FeatureMap, PackedCache, Pending, Workload};
use crate::photos::Preprocessing;
use crate::plan::{Convolution, Folded, Planned};
use crate::sha256::Sha256;

/// Runs a network on the processor. The network is compiled when it is first needed.
pub struct CpuEngine<'a> {
    backbone: &'a Backbone,
    preprocessing: Preprocessing,
    many: LazyNetwork,
    few: LazyNetwork,
    /// Where packed weights are kept, if they are.
    packed: Option<PackedCache>,
}

/// Version of the kernels: whatever changes the bits of features raises it. Features of different
/// versions are never mixed: it is part of the feature cache's key.
const KERNELS_VERSION: u32 = 2;

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
        Self {
            backbone,
            preprocessing,
            many: LazyNetwork::new(),
            few: LazyNetwork::new(),
            packed: None,
        }
    }

    fn compiled(&self, workload: Workload) -> Result<&Compiled, EngineError> {
        let (compiled, tuning) = match workload {
            Workload::Few => (&self.few, Tuning::for_one_photo()),
            Workload::Many => (&self.many, Tuning::default()),
        };
        if compiled.get().is_none() {
            // Not inside `get_or_init`: all threads help to compile, and while a thread waits for
            // the others, rayon may run a call on it that gets here again.
            let result = self.network(workload, tuning).map(|network| {
                let normalised = Box::new(self.preprocessing.normalised());
                Compiled { network, normalised }
            });
            let _ = compiled.set(result);
        }
        compiled.wait().as_ref().map_err(Clone::clone)
    }

    /// Compiles the network, with packed weights that were kept if there are any.
    fn network(&self, workload: Workload, tuning: Tuning) -> Result<CpuNetwork, EngineError> {
        let plan = self.backbone.plan()?;
        let weights = WeightsAtSource::of(self.backbone, &plan)?;
        // The first weights that cannot be read end it; until then there are zeros for them.
        let compiled = |packer: &mut Packer| {
            let (failure, needs_weights) = (OnceCell::new(), packer.needs_weights());
            let folded = |convolution: &Convolution| {
                let read = needs_weights && failure.get().is_none();
                match read.then(|| weights.folded(convolution)) {
                    Some(Ok(folded)) => return folded,
                    Some(Err(error)) => drop(failure.set(error)),
                    None => {}
                }
                Folded {
                    weight: vec![0.0; convolution.weight_shape().iter().product()],
                    bias: vec![0.0; convolution.out_channels],
                }
            };
            let photo = [self.preprocessing.crop as usize; 2];
            let network = CpuNetwork::packed(&plan, photo, tuning, packer, folded)?;
            failure.into_inner().map_or(Ok(network), Err)
        };
        // Those for many photos are twice as large and save a smaller share of the time.
        let packed = self.packed.as_ref().filter(|_| workload == Workload::Few);
        let Some((cache, key)) = packed.and_then(|cache| Some((cache, self.key(tuning)?))) else {
            return compiled(&mut Packer::default());
        };
        if let Some(file) = PackedFile::open(cache, &key) {
            let mut packer = Packer::reading(file);
            let network = compiled(&mut packer)?;
            if packer.finish() {
                return Ok(network);
            }
        }
        let mut packer = Packer::keeping_in(cache, &key);
        let network = compiled(&mut packer)?;
        let _ = packer.finish();
        Ok(network)
    }

    /// Identifies packed weights. `None` if the device does not return the weights.
    fn key(&self, tuning: Tuning) -> Option<Key> {
        let weights = self.backbone.sha256().ok()?;
        let mut key = Sha256::new_with_prefix(weights);
        let (architecture, instructions) = (self.backbone.architecture(), Instructions::best());
        let crop = self.preprocessing.crop;
        key.update(format!("{architecture}\n{instructions}\n{tuning:?}\n{crop}\n"));
        key.update(LAYOUT_VERSION.to_le_bytes());
        Some(key.finalize())
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
        format!("{}, {}, kernels {KERNELS_VERSION}", Backend::Cpu, Instructions::best())
    }

    fn rest(&self) {
        for compiled in [&self.few, &self.many] {
            if let Some(Ok(Compiled { network, .. })) = compiled.get() {
                network.free_buffers();
            }
        }
    }

    fn keep_packed_weights(&mut self, cache: PackedCache) {
        self.packed = Some(cache);
    }

    fn batch_size(&self) -> usize {
        CpuNetwork::batch_size()
    }

    fn kernels(&self) -> &'static str {
        "own"
    }
}
