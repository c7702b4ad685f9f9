//! `kindling completions`

use std::io::{self, Write};

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print shell completions
#[derive(Args)]
#[command(after_help = "\
Examples:
  source <(kindling completions bash)           in ~/.bashrc
  kindling completions zsh > ~/.zfunc/_kindling
  kindling completions fish > ~/.config/fish/completions/kindling.fish
  kindling completions powershell >> $PROFILE")]
pub struct CompletionsArgs {
    /// Shell to print completions for
    shell: Shell,
}

pub fn run(args: &CompletionsArgs) -> Result<()> {
    // Written to memory first, because `generate` panics on a write error.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "kindling", &mut script);
    io::stdout().write_all(&script)?;
    Ok(())
}
