//! The error for a step that a plan cannot express or an engine cannot run.

/// A step that a plan cannot express, or that an engine cannot run. Burn's engine runs every
/// network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is not supported: {reason}", match .step.as_str() {
    "" => "the network".to_owned(),
    step => format!("the step `{step}`"),
})]
pub struct Unsupported {
    /// The step's name: its module's, such as `layer1.0.conv1`. Empty for the network as a whole.
    pub step: String,
    /// Why it is not supported.
    pub reason: &'static str,
}

impl Unsupported {
    /// The error for `step`.
    pub fn new(step: impl Into<String>, reason: &'static str) -> Self {
        Self { step: step.into(), reason }
    }
}
