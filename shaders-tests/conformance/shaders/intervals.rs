//! Intervals of the values of a shader at a place of it.

use std::collections::BTreeMap;

use naga::{BinaryOperator, Expression, Handle, LocalVariable};

/// The values that an unsigned number can have, from the first to the second.
pub type Interval = (u64, u64);

/// Any number.
pub const ANYTHING: Interval = (0, u32::MAX as u64);

/// The intervals known at a place of the program; what is missing can be anything.
#[derive(Clone, Default)]
pub struct Known {
    pub values: BTreeMap<Handle<Expression>, Interval>,
    pub variables: BTreeMap<Handle<LocalVariable>, Interval>,
    /// Values that a variable still has: it has not been written since they were loaded.
    pub loaded: BTreeMap<Handle<Expression>, Handle<LocalVariable>>,
}

impl Known {
    /// Forgets a variable's value.
    pub fn forget(&mut self, variable: Handle<LocalVariable>) {
        self.variables.remove(&variable);
        self.loaded.retain(|_, loaded| *loaded != variable);
    }

    /// What is known after either of two ways.
    pub fn joined(self, other: &Self) -> Self {
        let Self { values, variables, loaded } = self;
        let either =
            |first: Interval, second: Interval| (first.0.min(second.0), first.1.max(second.1));
        Self {
            values: values
                .into_iter()
                .filter_map(|(at, first)| Some((at, either(first, *other.values.get(&at)?))))
                .collect(),
            variables: variables
                .into_iter()
                .filter_map(|(at, first)| Some((at, either(first, *other.variables.get(&at)?))))
                .collect(),
            loaded: loaded.into_iter().filter(|(at, _)| other.loaded.contains_key(at)).collect(),
        }
    }
}

/// The values of an operation.
pub fn binary(op: BinaryOperator, left: Interval, right: Interval) -> Interval {
    let (low, high) = match op {
        BinaryOperator::Add => (left.0 + right.0, left.1 + right.1),
        BinaryOperator::Multiply => (left.0 * right.0, left.1 * right.1),
        BinaryOperator::Subtract if left.0 >= right.1 => (left.0 - right.1, left.1 - right.0),
        BinaryOperator::Divide if right.0 > 0 => (left.0 / right.1, left.1 / right.0),
        BinaryOperator::Modulo if right.0 > 0 => (0, left.1.min(right.1 - 1)),
        BinaryOperator::And => (0, left.1.min(right.1)),
        _ => ANYTHING,
    };
    // Unsigned numbers wrap around.
    if high > ANYTHING.1 { ANYTHING } else { (low, high) }
}
