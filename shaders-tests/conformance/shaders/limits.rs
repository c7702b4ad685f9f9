//! What a shader takes of an adapter.

use naga::AddressSpace;

use super::translate::Parsed;

/// WGSL's limit for all variables of functions together, which every compiler must take:
/// <https://www.w3.org/TR/WGSL/#limits>.
pub const FUNCTION_BYTES: u32 = 8192;

/// What a shader takes of an adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Units of a work-group.
    pub units: usize,
    /// Bytes of shared memory of a work-group.
    pub shared: usize,
    /// Storage buffers.
    pub buffers: usize,
    /// Bytes of the variables of functions.
    pub variables: u32,
}

impl Needs {
    /// Measures a shader.
    pub fn of(parsed: &Parsed) -> Self {
        let Parsed { module, .. } = parsed;
        let size = |ty| module.types[ty].inner.size(module.to_ctx());
        let shared = module
            .global_variables
            .iter()
            .filter(|(_, variable)| variable.space == AddressSpace::WorkGroup)
            .map(|(_, variable)| size(variable.ty) as usize)
            .sum();
        let entry = &module.entry_points[0];
        let functions = module.functions.iter().map(|(_, function)| function);
        let variables = functions
            .chain([&entry.function])
            .flat_map(|function| function.local_variables.iter())
            .map(|(_, variable)| size(variable.ty))
            .sum();
        Self {
            units: entry.workgroup_size.iter().product::<u32>() as usize,
            shared,
            buffers: parsed.bindings().len(),
            variables,
        }
    }
}
