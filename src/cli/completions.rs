//! `kindling completions`

use std::io::{self, Write};

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print the completions of a shell
#[derive(Args)]
#[command(after_help = "\
Examples:
  source <(kindling completions bash)           in ~/.bashrc
  kindling completions zsh > ~/.zfunc/_kindling
  kindling completions fish > ~/.config/fish/completions/kindling.fish
  kindling completions powershell >> $PROFILE")]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

pub fn run(args: &CompletionsArgs) -> Result<()> {
    // Into memory: `generate` panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "kindling", &mut script);
    io::stdout().write_all(&script)?;
    Ok(())
}
