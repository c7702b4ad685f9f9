//! Values that shell completion offers for an option that also accepts others.

use std::error::Error;
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

/// Parses a `T` with its `FromStr`, and offers some of its values to shell completion.
#[derive(Clone)]
pub struct Suggested<T> {
    words: Vec<&'static str>,
    value: PhantomData<fn() -> T>,
}

impl<T> Suggested<T> {
    pub fn new(words: impl IntoIterator<Item = &'static str>) -> Self {
        Self { words: words.into_iter().collect(), value: PhantomData }
    }
}

impl<T> TypedValueParser for Suggested<T>
where
    T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<T, clap::Error> {
        // Report `FromStr`'s own error: clap's would list `words` as if nothing else were valid.
        let parse = |text: &str| text.parse::<T>();
        parse.parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(PossibleValue::new)))
    }
}
