//! Plans that start or end at a stage.

use super::{Operation, Plan, Step, Value};

/// The end of a stage, a part of a network that has a name in its paper or its published code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its published name: `layer3`.
    pub name: String,
    /// Its output.
    pub output: Value,
}

/// Why a network cannot be divided at a stage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// The network has no such stage.
    #[error("the network has no stage called `{name}`; its stages are {}", .known.join(", "))]
    Unknown {
        /// The requested name.
        name: String,
        /// The stages that the network has.
        known: Vec<String>,
    },
    /// A later stage reads more than this stage's output.
    #[error("the network cannot be divided at `{name}`: a later step reads a value from before it")]
    NotACut {
        /// The stage.
        name: String,
    },
}

impl Plan {
    /// The part of the plan up to the end of the stage `name`. Its last step gives that stage's
    /// output.
    ///
    /// # Errors
    /// If there is no such stage.
    pub fn until_stage(&self, name: &str) -> Result<Self, StageError> {
        let end = self.stage(name)?.output.number();
        let stages = self.stages.iter().filter(|stage| stage.output.number() <= end);
        Ok(Self {
            input_channels: self.input_channels,
            steps: self.steps[..end].to_vec(),
            stages: stages.cloned().collect(),
        })
    }

    /// The part of the plan after the stage `name`. Its input is that stage's output.
    ///
    /// # Errors
    /// If there is no such stage, or if a later step reads a value from before its end.
    pub fn from_stage(&self, name: &str) -> Result<Self, StageError> {
        let output = self.stage(name)?.output;
        let end = output.number();
        let is_cut = |value: &Value| value.number() >= end;
        if !self.steps[end..].iter().all(|step| step.operation.inputs().iter().all(is_cut)) {
            return Err(StageError::NotACut { name: name.to_owned() });
        }
        let moved = |value: Value| match value.number() - end {
            0 => Value::Input,
            later => Value::Output(later - 1),
        };
        let steps = self.steps[end..]
            .iter()
            .cloned()
            .map(|Step { name, operation }| Step { name, operation: operation.with_inputs(moved) });
        let stages = self
            .stages
            .iter()
            .filter(|stage| stage.output.number() > end)
            .map(|stage| Stage { name: stage.name.clone(), output: moved(stage.output) });
        Ok(Self {
            input_channels: self.channels(output),
            steps: steps.collect(),
            stages: stages.collect(),
        })
    }

    fn stage(&self, name: &str) -> Result<&Stage, StageError> {
        self.stages.iter().find(|stage| stage.name == name).ok_or_else(|| StageError::Unknown {
            name: name.to_owned(),
            known: self.stages.iter().map(|stage| stage.name.clone()).collect(),
        })
    }

    /// Channels of a value.
    fn channels(&self, value: Value) -> usize {
        match value {
            Value::Input => self.input_channels,
            Value::Output(at) => match &self.steps[at].operation {
                Operation::Convolution { convolution, .. } => convolution.out_channels,
                operation => self.channels(operation.inputs()[0]),
            },
        }
    }
}
