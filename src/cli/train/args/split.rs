//! The options of `train` that divide the photos.

use std::fmt;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::share;

/// How photos are divided into parts.
#[derive(Args, Clone, Debug, Serialize)]
pub struct SplitArgs {
    /// Share of each class used for validation if DATA has no val part [default: 0.2]
    #[arg(long, value_name = "X", value_parser = share, help_heading = "Photos")]
    pub val_split: Option<f64>,

    /// Share of each class held out for a test of the finished model
    ///
    /// Nothing is chosen by these photos. A test part of DATA and --test are used likewise.
    #[arg(long, value_name = "X", value_parser = share, conflicts_with = "test", help_heading = "Photos")]
    pub test_split: Option<f64>,

    /// Keep photos of the same folder on one side of the split
    ///
    /// In folders: those of <class>/<group>/photo.jpg; folders of the same name in several classes
    /// are one group. In a table: those with the same folder in their paths.
    #[arg(long, conflicts_with = "group_column", help_heading = "Photos")]
    pub group_by_folder: bool,

    /// Photos that are nearly the same on both sides of the split: report, or put together
    ///
    /// They are found by their features. `together` draws the parts again with such photos as
    /// groups; of parts that DATA comes in, it moves them to the training photos.
    #[arg(long, value_name = "WHAT", default_value_t = SplitDuplicates::Report, help_heading = "Photos")]
    pub split_duplicates: SplitDuplicates,
}

/// What is done about photos that are nearly the same on both sides of a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum SplitDuplicates {
    Report,
    Together,
}

impl fmt::Display for SplitDuplicates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Report => "report",
            Self::Together => "together",
        })
    }
}
