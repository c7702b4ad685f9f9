//! What a tool says against a shader, and what is known of it.

/// What a tool says against a shader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The tool that says it.
    pub tool: &'static str,
    /// The shader.
    pub shader: String,
    /// What it says.
    pub message: String,
}

/// A finding that `docs/shaders.md` explains. The test fails when it no longer occurs.
pub struct KnownFinding {
    /// The tool.
    pub tool: &'static str,
    /// A part of what it says.
    pub says: &'static str,
    /// Whether it says it of this shader.
    pub of: fn(shader: &str) -> bool,
}

/// What is known.
pub const KNOWN: &[KnownFinding] = &[
    // CheckedIoPass looks for indices of a runtime array, but an index has a pointer to it.
    KnownFinding { tool: "CubeCL", says: "indices of buffers are not clamped", of: |_| true },
];

/// Findings that are not known, and known ones that no longer occur although `ran` says that their
/// tool ran.
pub fn complaints(
    findings: &[Finding],
    known: &[KnownFinding],
    ran: impl Fn(&str) -> bool,
) -> Vec<String> {
    let is = |known: &KnownFinding, finding: &Finding| {
        known.tool == finding.tool
            && finding.message.contains(known.says)
            && (known.of)(&finding.shader)
    };
    let new = findings
        .iter()
        .filter(|finding| !known.iter().any(|known| is(known, finding)))
        .map(|Finding { tool, shader, message }| format!("{shader}: {tool}: {message}"));
    let gone = known
        .iter()
        .filter(|known| ran(known.tool) && !findings.iter().any(|finding| is(known, finding)))
        .map(|known| format!("{} no longer says `{}`", known.tool, known.says));
    new.chain(gone).collect()
}
