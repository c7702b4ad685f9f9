//! The value of the `--device` option.

use std::fmt;
use std::str::FromStr;

use super::Backend;

/// The value of the `--device` option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The best GPU, or the processor if there is no GPU.
    Auto,
    /// A backend and the index of one of its devices; without an index, its best device.
    Named(Backend, Option<usize>),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || "expected auto, wgpu, wgpu:N, cuda, cuda:N, cpu, flex or ndarray".to_owned();
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => (name, Some(index.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let backend = Backend::ALL.into_iter().find(|backend| backend.name() == name);
        match backend.ok_or_else(wrong)? {
            backend @ (Backend::Cpu | Backend::Flex | Backend::Ndarray) if index.is_none() => {
                Ok(Self::Named(backend, None))
            }
            backend @ (Backend::Wgpu | Backend::Cuda) => Ok(Self::Named(backend, index)),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => formatter.write_str("auto"),
            Self::Named(backend, None) => backend.fmt(formatter),
            Self::Named(backend, Some(index)) => write!(formatter, "{backend}:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_choice_reads_back_as_itself() {
        for text in ["auto", "wgpu", "wgpu:1", "cuda", "cuda:0", "cpu", "flex", "ndarray"] {
            assert_eq!(text.parse::<Choice>().unwrap().to_string(), text);
        }
        for wrong in ["gpu", "wgpu:", "wgpu:x", "flex:0", "cpu:0", "ndarray:1", "", "cuda:-1"] {
            assert!(wrong.parse::<Choice>().is_err(), "{wrong}");
        }
    }
}
