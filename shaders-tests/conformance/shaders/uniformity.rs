//! Checks that all units of a work-group reach each barrier. naga 30 has no such check for
//! barriers; Tint has, but only Chromium on an adapter with f16 compiles shaders of f16.
//!
//! A value is uniform if all units of a work-group have it: constants, the work-group's number,
//! arguments of the kernel, and what is computed from them.

use std::collections::BTreeSet;

use naga::{
    AddressSpace, Binding, Block, BuiltIn, Expression, Function, Handle, LocalVariable, Module,
    Statement, StorageAccess,
};

use super::translate::Parsed;

/// The number of barriers of a shader, all of which every unit reaches.
///
/// # Errors
/// The first barrier of which that is not certain.
pub fn barriers(parsed: &Parsed) -> Result<usize, String> {
    let function = &parsed.module.entry_points[0].function;
    let mut flow = Flow { module: &parsed.module, function, varying: BTreeSet::new(), barriers: 0 };
    // Until no more variables turn out to differ between units.
    loop {
        let known = flow.varying.len();
        flow.barriers = 0;
        let checked = flow.block(&function.body, true);
        if flow.varying.len() == known {
            return checked.map(|_| flow.barriers);
        }
    }
}

struct Flow<'a> {
    module: &'a Module,
    function: &'a Function,
    /// Variables that may differ between the units of a work-group.
    varying: BTreeSet<Handle<LocalVariable>>,
    barriers: usize,
}

impl Flow<'_> {
    /// Follows a block. Returns whether all units that began it together reach its end together.
    fn block(&mut self, block: &Block, uniform: bool) -> Result<bool, String> {
        let mut uniform = uniform;
        let mut wrong = Ok(());
        for statement in block {
            let followed = match statement {
                Statement::ControlBarrier(_) | Statement::MemoryBarrier(_) => {
                    self.barriers += 1;
                    match uniform {
                        true => Ok(true),
                        false => Err(format!("barrier {} is not for all units", self.barriers)),
                    }
                }
                Statement::Store { pointer, value } => {
                    if let Some(variable) = self.variable(*pointer)
                        && !(uniform && self.is_uniform(*value) && self.is_uniform(*pointer))
                    {
                        self.varying.insert(variable);
                    }
                    Ok(uniform)
                }
                Statement::If { condition, accept, reject } => {
                    let same = uniform && self.is_uniform(*condition);
                    let (accepted, rejected) = (self.block(accept, same), self.block(reject, same));
                    accepted.and_then(|accepted| Ok(accepted & rejected?)).map(|ends| {
                        // Units that take different ways meet again, unless one of them leaves.
                        uniform && (ends || !(leaves(accept) || leaves(reject)))
                    })
                }
                Statement::Loop { body, continuing, break_if } => {
                    let same = uniform && break_if.is_none_or(|at| self.is_uniform(at));
                    // If units leave at different turns, no turn is common after the first.
                    let (first, rest) = (self.block(body, same), self.block(continuing, same));
                    let together = first.and_then(|first| Ok(first & rest?));
                    if together == Ok(false) {
                        // What a loop writes differs if units leave it at different turns.
                        let barriers = self.barriers;
                        let _ = (self.block(body, false), self.block(continuing, false));
                        self.barriers = barriers;
                    }
                    match together {
                        Ok(false) if has_barrier(body) => {
                            Err("units leave a loop with a barrier at different turns".into())
                        }
                        other => other.map(|_| uniform && !returns(body)),
                    }
                }
                Statement::Block(block) => self.block(block, uniform),
                Statement::Break | Statement::Continue | Statement::Return { .. } => Ok(uniform),
                _ => Ok(uniform),
            };
            match followed {
                Ok(ends) => uniform &= ends,
                Err(error) => wrong = wrong.and(Err(error)),
            }
        }
        wrong.map(|()| uniform)
    }

    /// The variable that a pointer leads into.
    fn variable(&self, pointer: Handle<Expression>) -> Option<Handle<LocalVariable>> {
        match self.function.expressions[pointer] {
            Expression::LocalVariable(variable) => Some(variable),
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
                self.variable(base)
            }
            _ => None,
        }
    }

    /// Whether all units of a work-group have this value, or point to the same place.
    fn is_uniform(&self, handle: Handle<Expression>) -> bool {
        let of = |handle: &Handle<Expression>| self.is_uniform(*handle);
        match &self.function.expressions[handle] {
            Expression::Literal(_) | Expression::Constant(_) | Expression::ZeroValue(_) => true,
            Expression::Compose { components, .. } => components.iter().all(of),
            Expression::Access { base, index } => of(base) && of(index),
            Expression::AccessIndex { base, .. } => of(base),
            Expression::Splat { value, .. } => of(value),
            Expression::Swizzle { vector, .. } => of(vector),
            Expression::FunctionArgument(number) => matches!(
                self.function.arguments[*number as usize].binding,
                Some(Binding::BuiltIn(BuiltIn::WorkGroupId | BuiltIn::NumWorkGroups))
            ),
            // Nobody writes to what no shader may write to.
            Expression::GlobalVariable(variable) => matches!(
                self.module.global_variables[*variable].space,
                AddressSpace::Storage { access } if !access.contains(StorageAccess::STORE)
            ),
            Expression::LocalVariable(variable) => !self.varying.contains(variable),
            Expression::Load { pointer } => of(pointer),
            Expression::Unary { expr, .. } | Expression::As { expr, .. } => of(expr),
            Expression::Binary { left, right, .. } => of(left) && of(right),
            Expression::Select { condition, accept, reject } => {
                of(condition) && of(accept) && of(reject)
            }
            Expression::Math { arg, arg1, arg2, arg3, .. } => {
                of(arg) && [arg1, arg2, arg3].into_iter().flatten().all(of)
            }
            _ => false,
        }
    }
}

/// Whether a block has a statement for which `is` holds, at any depth.
fn any(block: &Block, is: &dyn Fn(&Statement) -> bool) -> bool {
    block.iter().any(|statement| {
        is(statement)
            || match statement {
                Statement::Block(block) => any(block, is),
                Statement::If { accept, reject, .. } => any(accept, is) || any(reject, is),
                Statement::Loop { body, continuing, .. } => any(body, is) || any(continuing, is),
                _ => false,
            }
    })
}

fn has_barrier(block: &Block) -> bool {
    any(block, &|at| matches!(at, Statement::ControlBarrier(_) | Statement::MemoryBarrier(_)))
}

fn returns(block: &Block) -> bool {
    any(block, &|at| matches!(at, Statement::Return { .. }))
}

/// Whether a unit may leave a block before its end.
fn leaves(block: &Block) -> bool {
    any(block, &|at| {
        matches!(at, Statement::Return { .. } | Statement::Break | Statement::Continue)
    })
}
