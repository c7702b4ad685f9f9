//! Proves that no index of a shader leaves its array, whatever the sizes that it gets.
//!
//! wgpu adds no check of its own, because CubeCL asks it not to.
//!
//! - **Buffers.** CubeCL's checked mode is meant to replace each index by `min(index, length - 1)`,
//!   with the buffer's length in an argument of the kernel. Indices that have that form, with the
//!   length of their own buffer, are counted, and so are the others.
//! - **Shared memory and arrays of a unit.** Nothing checks these indices. Each must be in range
//!   for every unit of the work-group: an interval for each value shows it. Intervals start from
//!   the number of the unit and are narrowed by the conditions around the index; arguments and
//!   values from memory can be anything.
//! - **Writes to buffers** must stand under a condition.

use std::collections::BTreeMap;

use naga::{
    AddressSpace, ArraySize, BinaryOperator, Binding, Block, BuiltIn, Expression, Function,
    GlobalVariable, Handle, Literal, MathFunction, Module, Statement, TypeInner, UnaryOperator,
};

use super::intervals::{ANYTHING, Interval, Known, binary};
use super::translate::Parsed;

/// What was proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proved {
    /// Indices of buffers that are clamped to the buffer's length.
    pub clamped: usize,
    /// Indices of buffers that are not.
    pub unclamped: usize,
    /// Indices of shared memory and of arrays of a unit that are in range.
    pub in_range: usize,
}

/// Checks every index of a shader.
///
/// # Errors
/// The indices for which neither was proved.
pub fn prove(parsed: &Parsed) -> Result<Proved, String> {
    let entry = &parsed.module.entry_points[0];
    if !parsed.module.functions.is_empty() {
        return Err("a function besides the entry point, which is not followed".to_owned());
    }
    let units = u64::from(entry.workgroup_size.iter().product::<u32>());
    let mut proof = Proof {
        module: &parsed.module,
        function: &entry.function,
        units,
        lengths: BTreeMap::new(),
        conditions: 0,
        proved: Proved::default(),
        faults: Vec::new(),
    };
    let mut known = Known::default();
    proof.block(&entry.function.body, &mut known);
    proof.check_lengths();
    match proof.faults.is_empty() {
        true => Ok(proof.proved),
        false => Err(proof.faults.join("\n")),
    }
}

struct Proof<'a> {
    module: &'a Module,
    function: &'a Function,
    units: u64,
    /// For each buffer the places of the lengths to which its indices are clamped.
    lengths: BTreeMap<Handle<GlobalVariable>, Vec<u32>>,
    /// The number of conditions around the statement.
    conditions: usize,
    proved: Proved,
    faults: Vec<String>,
}

impl Proof<'_> {
    /// Follows the statements of a block. Returns whether its end is reached.
    fn block(&mut self, block: &Block, known: &mut Known) -> bool {
        for statement in block {
            match statement {
                Statement::Emit(range) => {
                    for handle in range.clone() {
                        let interval = self.evaluate(handle, known);
                        known.values.insert(handle, interval);
                        if let Expression::Load { pointer } = self.function.expressions[handle]
                            && let Expression::LocalVariable(variable) =
                                self.function.expressions[pointer]
                        {
                            known.loaded.insert(handle, variable);
                        }
                        self.check(handle, known);
                    }
                }
                Statement::Store { pointer, value } => {
                    if let Expression::LocalVariable(variable) = self.function.expressions[*pointer]
                    {
                        let interval = self.interval(*value, known);
                        known.forget(variable);
                        known.variables.insert(variable, interval);
                    } else if self.conditions == 0 && self.is_in_buffer(*pointer) {
                        self.faults.push("a write to a buffer under no condition".to_owned());
                    }
                }
                Statement::Block(block) => {
                    let ends = self.block(block, known);
                    if !ends {
                        return false;
                    }
                }
                Statement::If { condition, accept, reject } => {
                    let (mut yes, mut no) = (known.clone(), known.clone());
                    self.narrow(*condition, true, &mut yes);
                    self.narrow(*condition, false, &mut no);
                    self.conditions += 1;
                    let yes_ends = self.block(accept, &mut yes);
                    let no_ends = self.block(reject, &mut no);
                    self.conditions -= 1;
                    match (yes_ends, no_ends) {
                        (true, true) => *known = yes.joined(&no),
                        (true, false) => *known = yes,
                        (false, true) => *known = no,
                        (false, false) => return false,
                    }
                }
                Statement::Loop { body, continuing, break_if } => {
                    // At the start of a turn, variables that a turn writes can be anything. After
                    // the loop, too, since a turn can end it at any place.
                    self.forget(body, known);
                    self.forget(continuing, known);
                    let mut turn = known.clone();
                    self.block(body, &mut turn);
                    let mut turn = known.clone();
                    self.block(continuing, &mut turn);
                    if let Some(condition) = break_if {
                        self.check(*condition, &turn);
                    }
                }
                Statement::Switch { .. } | Statement::Call { .. } => {
                    self.faults.push(format!("{statement:?} is not followed"));
                }
                Statement::Return { .. } | Statement::Break | Statement::Continue => return false,
                _ => (),
            }
        }
        true
    }

    /// Whether a pointer leads into a buffer.
    fn is_in_buffer(&self, pointer: Handle<Expression>) -> bool {
        match self.function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => {
                self.is_in_buffer(base)
            }
            Expression::GlobalVariable(variable) => {
                matches!(self.module.global_variables[variable].space, AddressSpace::Storage { .. })
            }
            _ => false,
        }
    }

    /// Forgets the variables that a block writes.
    fn forget(&self, block: &Block, known: &mut Known) {
        for statement in block {
            match statement {
                Statement::Store { pointer, .. } => {
                    if let Expression::LocalVariable(variable) = self.function.expressions[*pointer]
                    {
                        known.forget(variable);
                    }
                }
                Statement::Block(block) => self.forget(block, known),
                Statement::If { accept, reject, .. } => {
                    self.forget(accept, known);
                    self.forget(reject, known);
                }
                Statement::Loop { body, continuing, .. } => {
                    self.forget(body, known);
                    self.forget(continuing, known);
                }
                _ => (),
            }
        }
    }

    /// The interval of a value that has been evaluated.
    fn interval(&self, handle: Handle<Expression>, known: &Known) -> Interval {
        known.values.get(&handle).copied().unwrap_or_else(|| self.evaluate(handle, known))
    }

    fn evaluate(&self, handle: Handle<Expression>, known: &Known) -> Interval {
        let of = |handle| self.interval(handle, known);
        match self.function.expressions[handle] {
            Expression::Literal(Literal::U32(value)) => (value.into(), value.into()),
            Expression::Literal(Literal::Bool(value)) => (value.into(), value.into()),
            Expression::ZeroValue(_) => (0, 0),
            Expression::FunctionArgument(number) => {
                match self.function.arguments[number as usize].binding {
                    Some(Binding::BuiltIn(BuiltIn::LocalInvocationIndex)) => (0, self.units - 1),
                    _ => ANYTHING,
                }
            }
            Expression::Load { pointer } => match self.function.expressions[pointer] {
                Expression::LocalVariable(variable) => {
                    known.variables.get(&variable).copied().unwrap_or(ANYTHING)
                }
                _ => ANYTHING,
            },
            Expression::Binary { op, left, right } => binary(op, of(left), of(right)),
            Expression::Math { fun, arg, arg1: Some(other), .. } => {
                let (first, second) = (of(arg), of(other));
                match fun {
                    MathFunction::Min => (first.0.min(second.0), first.1.min(second.1)),
                    MathFunction::Max => (first.0.max(second.0), first.1.max(second.1)),
                    _ => ANYTHING,
                }
            }
            Expression::Select { accept, reject, .. } => {
                let (first, second) = (of(accept), of(reject));
                (first.0.min(second.0), first.1.max(second.1))
            }
            // Between unsigned numbers; a number of another kind is no index.
            Expression::As { expr, .. } => of(expr),
            _ => ANYTHING,
        }
    }

    /// Narrows intervals by a condition that holds, or does not.
    fn narrow(&self, condition: Handle<Expression>, holds: bool, known: &mut Known) {
        let (op, left, right) = match self.function.expressions[condition] {
            Expression::Binary { op, left, right } => (op, left, right),
            Expression::Unary { op: UnaryOperator::LogicalNot, expr } => {
                return self.narrow(expr, !holds, known);
            }
            _ => return,
        };
        let (lower, higher, or_equal) = match (op, holds) {
            (BinaryOperator::LogicalAnd, true) => {
                self.narrow(left, true, known);
                return self.narrow(right, true, known);
            }
            (BinaryOperator::Less, true) => (left, right, false),
            (BinaryOperator::LessEqual, true) => (left, right, true),
            (BinaryOperator::Greater, true) => (right, left, false),
            (BinaryOperator::GreaterEqual, true) => (right, left, true),
            (BinaryOperator::Less, false) => (right, left, true),
            (BinaryOperator::LessEqual, false) => (right, left, false),
            (BinaryOperator::Greater, false) => (left, right, true),
            (BinaryOperator::GreaterEqual, false) => (left, right, false),
            _ => return,
        };
        let (low, high) = (self.interval(lower, known), self.interval(higher, known));
        let by = u64::from(!or_equal);
        Self::learn(lower, (low.0, low.1.min(high.1.saturating_sub(by))), known);
        Self::learn(higher, (high.0.max(low.0 + by), high.1), known);
    }

    /// Notes an interval of a value, and of the variable that it was loaded from.
    fn learn(handle: Handle<Expression>, interval: Interval, known: &mut Known) {
        if let Some(variable) = known.loaded.get(&handle) {
            known.variables.insert(*variable, interval);
        }
        known.values.insert(handle, interval);
    }

    /// Checks an expression if it is an index.
    fn check(&mut self, handle: Handle<Expression>, known: &Known) {
        let Expression::Access { base, index } = self.function.expressions[handle] else { return };
        let size = match self.function.expressions[base] {
            Expression::GlobalVariable(variable) => {
                let GlobalVariable { space, ty, .. } = self.module.global_variables[variable];
                if matches!(space, AddressSpace::Storage { .. }) {
                    return self.check_buffer(variable, index);
                }
                self.length(ty)
            }
            Expression::LocalVariable(variable) => {
                self.length(self.function.local_variables[variable].ty)
            }
            _ => None,
        };
        let (_, last) = self.interval(index, known);
        match size {
            Some(size) if last < u64::from(size) => self.proved.in_range += 1,
            _ => self.faults.push(format!(
                "index up to {last} of {:?}, which has {size:?} elements",
                self.function.expressions[base]
            )),
        }
    }

    /// Checks that the index of a buffer is clamped to a length, and notes which.
    fn check_buffer(&mut self, buffer: Handle<GlobalVariable>, index: Handle<Expression>) {
        let clamp = match self.function.expressions[index] {
            Expression::Math { fun: MathFunction::Min, arg, arg1: Some(other), .. } => {
                self.length_less_one(arg).or_else(|| self.length_less_one(other))
            }
            _ => None,
        };
        match clamp {
            Some(place) => {
                self.proved.clamped += 1;
                self.lengths.entry(buffer).or_default().push(place);
            }
            None => self.proved.unclamped += 1,
        }
    }

    /// The place of the length among the arguments, if this is a length less one.
    fn length_less_one(&self, handle: Handle<Expression>) -> Option<u32> {
        let expressions = &self.function.expressions;
        let Expression::Binary { op: BinaryOperator::Subtract, left, right } = expressions[handle]
        else {
            return None;
        };
        let Expression::Literal(Literal::U32(1)) = expressions[right] else { return None };
        let Expression::Load { pointer } = expressions[left] else { return None };
        let Expression::AccessIndex { base, index } = expressions[pointer] else { return None };
        let Expression::AccessIndex { base, index: member } = expressions[base] else {
            return None;
        };
        let Expression::GlobalVariable(arguments) = expressions[base] else { return None };
        let TypeInner::Struct { ref members, .. } =
            self.module.types[self.module.global_variables[arguments].ty].inner
        else {
            return None;
        };
        let is_lengths = members[member as usize].name.as_deref() == Some("static_meta");
        is_lengths.then_some(index)
    }

    /// Each buffer must have a length of its own.
    fn check_lengths(&mut self) {
        let mut owners = BTreeMap::new();
        for (buffer, places) in &self.lengths {
            for place in places {
                if *owners.entry(*place).or_insert(buffer) != buffer || *place != places[0] {
                    self.faults.push(format!("{buffer:?} is clamped to another buffer's length"));
                }
            }
        }
    }

    fn length(&self, ty: Handle<naga::Type>) -> Option<u32> {
        match self.module.types[ty].inner {
            TypeInner::Array { size: ArraySize::Constant(size), .. } => Some(size.get()),
            TypeInner::Vector { size, .. } => Some(size as u32),
            _ => None,
        }
    }
}
