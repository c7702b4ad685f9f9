//! Translates a shader into the language of each graphics API, with the options of wgpu's backends.
//!
//! CubeCL creates its modules with `ShaderRuntimeChecks::unchecked()`, but with bounded loops, and
//! its pipelines without initialised work-group memory. What wgpu's backends make of that is in
//! `vulkan/device.rs`, `vulkan/adapter.rs`, `metal/device.rs` and `dx12/device.rs` of wgpu-hal 30.

use naga::back::{hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, ResourceBinding, ShaderStage, StorageAccess};

/// Versions of SPIR-V with the target environment of `spirv-val`, as Vulkan 1.1 and 1.3 read them.
pub const SPIR_V: [((u8, u8), &str); 2] = [((1, 3), "vulkan1.1"), ((1, 6), "vulkan1.3")];
/// The oldest and the newest version of MSL for which naga writes; Metal on the oldest system that
/// wgpu supports has 2.0 or later.
pub const MSL: [(u8, u8); 2] = [(2, 0), (4, 0)];

/// The HLSL versions of a shader: 5.1 for FXC, which wgpu takes if there is no `dxcompiler.dll`,
/// and 6.0 or later for DXC. wgpu offers f16 from 6.2 on only.
pub fn shader_models(f16: bool) -> &'static [hlsl::ShaderModel] {
    use hlsl::ShaderModel::{V5_1, V6_0, V6_2, V6_6};
    if f16 { &[V6_2, V6_6] } else { &[V5_1, V6_0, V6_6] }
}

/// How the shader's own bounds checks are switched off.
const UNCHECKED: BoundsCheckPolicies = BoundsCheckPolicies {
    index: BoundsCheckPolicy::Unchecked,
    buffer: BoundsCheckPolicy::Unchecked,
    image_load: BoundsCheckPolicy::Unchecked,
    binding_array: BoundsCheckPolicy::Unchecked,
};

/// A shader as naga reads it.
pub struct Parsed {
    pub module: naga::Module,
    pub info: ModuleInfo,
    /// The name of its only entry point.
    pub entry: String,
}

/// A buffer that a shader reads or writes.
pub struct Binding {
    pub at: ResourceBinding,
    pub writable: bool,
}

impl Parsed {
    /// Reads a shader, and validates it with no capability beyond those that every API has: none in
    /// f32, 16-bit floats in f16. Uniform control flow at barriers is part of it.
    ///
    /// # Errors
    /// naga's message.
    pub fn of(wgsl: &str, f16: bool) -> Result<Self, String> {
        let capabilities = if f16 { Capabilities::SHADER_FLOAT16 } else { Capabilities::empty() };
        let mut options = naga::front::wgsl::Options::new();
        options.capabilities = capabilities;
        let module = naga::front::wgsl::Frontend::new_with_options(options)
            .parse(wgsl)
            .map_err(|error| error.emit_to_string(wgsl))?;
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .map_err(|error| error.emit_to_string(wgsl))?;
        let [entry] = &module.entry_points[..] else {
            return Err(format!("{} entry points", module.entry_points.len()));
        };
        let entry = entry.name.clone();
        Ok(Self { module, info, entry })
    }

    /// Its buffers, in the order of their numbers.
    pub fn bindings(&self) -> Vec<Binding> {
        let mut bindings: Vec<Binding> = self
            .module
            .global_variables
            .iter()
            .filter_map(|(_, variable)| {
                let AddressSpace::Storage { access } = variable.space else { return None };
                let writable = access.contains(StorageAccess::STORE);
                Some(Binding { at: variable.binding?, writable })
            })
            .collect();
        bindings.sort_by_key(|binding| binding.at.binding);
        bindings
    }

    /// SPIR-V of this version.
    ///
    /// # Errors
    /// naga's message.
    pub fn spir_v(&self, version: (u8, u8), f16: bool) -> Result<Vec<u32>, String> {
        use spv::Capability;
        // What wgpu's Vulkan backend always allows, and Float16.
        let mut capabilities = vec![
            Capability::Shader,
            Capability::Matrix,
            Capability::Sampled1D,
            Capability::Image1D,
            Capability::ImageQuery,
            Capability::DerivativeControl,
            Capability::StorageImageExtendedFormats,
        ];
        capabilities.extend(f16.then_some(Capability::Float16));
        let numbers = self.bindings().into_iter().enumerate();
        let options = spv::Options {
            lang_version: version,
            flags: spv::WriterFlags::LABEL_VARYINGS | spv::WriterFlags::FORCE_POINT_SIZE,
            fake_missing_bindings: false,
            binding_map: numbers
                .map(|(number, binding)| {
                    let target = spv::BindingInfo {
                        descriptor_set: binding.at.group,
                        binding: number as u32,
                        binding_array_size: None,
                    };
                    (binding.at, target)
                })
                .collect(),
            capabilities: Some(capabilities.into_iter().collect()),
            bounds_check_policies: UNCHECKED,
            zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
            force_loop_bounding: true,
            ray_query_initialization_tracking: false,
            trace_ray_argument_validation: true,
            use_storage_input_output_16: f16,
            debug_info: None,
            task_dispatch_limits: None,
            mesh_shader_primitive_indices_clamp: false,
            emit_int_div_checks: false,
        };
        let pipeline = spv::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: self.entry.clone(),
        };
        let (module, info) = self.specialised()?;
        spv::write_vec(&module, &info, &options, Some(&pipeline)).map_err(|error| error.to_string())
    }

    /// MSL of this version.
    ///
    /// # Errors
    /// naga's message.
    pub fn msl(&self, version: (u8, u8)) -> Result<String, String> {
        let bindings = self.bindings();
        let resources = msl::EntryPointResources {
            // A buffer of sizes follows the shader's own.
            sizes_buffer: Some(bindings.len() as u8),
            immediates_buffer: None,
            resources: (0..)
                .zip(&bindings)
                .map(|(slot, binding)| {
                    let target = msl::BindTarget {
                        buffer: Some(slot),
                        mutable: binding.writable,
                        ..msl::BindTarget::default()
                    };
                    (binding.at, target)
                })
                .collect(),
        };
        let options = msl::Options {
            lang_version: version,
            per_entry_point_map: [(self.entry.clone(), resources)].into(),
            inline_samplers: Vec::new(),
            spirv_cross_compatibility: false,
            fake_missing_bindings: false,
            bounds_check_policies: UNCHECKED,
            zero_initialize_workgroup_memory: false,
            force_loop_bounding: true,
            task_dispatch_limits: None,
            mesh_shader_primitive_indices_clamp: false,
            emit_int_div_checks: false,
            ray_query_initialization_tracking: false,
        };
        let pipeline = msl::PipelineOptions {
            entry_point: Some((ShaderStage::Compute, self.entry.clone())),
            vertex_pulling_transform: true,
            ..msl::PipelineOptions::default()
        };
        let (module, info) = self.specialised()?;
        let (text, info) = msl::write_string(&module, &info, &options, &pipeline)
            .map_err(|error| error.to_string())?;
        info.entry_point_names[0].as_ref().map_err(ToString::to_string)?;
        Ok(text)
    }

    /// HLSL of this shader model, and the name of its entry point.
    ///
    /// # Errors
    /// naga's message.
    pub fn hlsl(&self, shader_model: hlsl::ShaderModel) -> Result<(String, String), String> {
        // Read-only buffers are SRVs (t0, ...), others UAVs (u0, ...).
        let mut registers = [0; 2];
        let binding_map = self
            .bindings()
            .into_iter()
            .map(|binding| {
                let register = &mut registers[usize::from(binding.writable)];
                let target = hlsl::BindTarget { register: *register, ..Default::default() };
                *register += 1;
                (binding.at, target)
            })
            .collect();
        let options = hlsl::Options {
            shader_model,
            binding_map,
            fake_missing_bindings: false,
            // The number of work-groups, as root constants; unused by shaders that do not ask.
            special_constants_binding: Some(hlsl::BindTarget::default()),
            immediates_target: None,
            sampler_heap_target: hlsl::SamplerHeapBindTargets::default(),
            sampler_buffer_binding_map: hlsl::SamplerIndexBufferBindingMap::default(),
            dynamic_storage_buffer_offsets_targets: std::collections::BTreeMap::new(),
            external_texture_binding_map: hlsl::ExternalTextureBindingMap::default(),
            zero_initialize_workgroup_memory: false,
            restrict_indexing: false,
            force_loop_bounding: true,
            task_dispatch_limits: None,
            mesh_shader_primitive_indices_clamp: false,
            ray_query_initialization_tracking: false,
        };
        let pipeline =
            hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, self.entry.clone())) };
        let (module, info) = self.specialised()?;
        let mut text = String::new();
        let names = hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&module, &info, None)
            .map_err(|error| error.to_string())?
            .entry_point_names;
        let entry = names[0].clone().map_err(|error| error.to_string())?;
        Ok((text, entry))
    }

    /// What the backends translate: the entry point alone, with its constants.
    fn specialised(
        &self,
    ) -> Result<(std::borrow::Cow<'_, naga::Module>, std::borrow::Cow<'_, ModuleInfo>), String>
    {
        naga::back::pipeline_constants::process_overrides(
            &self.module,
            &self.info,
            Some((ShaderStage::Compute, &self.entry)),
            &naga::back::PipelineConstants::default(),
        )
        .map_err(|error| error.to_string())
    }
}
