//! Measures how long work takes on an adapter.

use std::time::{Duration, Instant};

use super::Hardware;

/// How carefully to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// A sample repeats the work until it takes as long as this, so that the start of the first
    /// launch and the wait for the last do not count.
    pub sample: Duration,
    /// Samples to take.
    pub samples: usize,
    /// No further sample is taken after this time.
    pub limit: Duration,
}

impl Effort {
    /// Work is repeated no more often than this in a sample.
    pub(super) const MOST_REPEATS: usize = 1024;

    /// What gives steady numbers on a GPU, and does not take minutes on a driver that runs on the
    /// processor: such a driver takes up to a second for work that a GPU does in a millisecond.
    pub const fn on(hardware: Hardware) -> Self {
        match hardware {
            Hardware::Gpu => Self {
                sample: Duration::from_millis(20),
                samples: 11,
                limit: Duration::from_secs(5),
            },
            Hardware::Processor => Self {
                sample: Duration::from_millis(10),
                samples: 3,
                limit: Duration::from_secs(4),
            },
        }
    }

    /// Measures `work`, which repeats the work as often as its argument says and returns when the
    /// adapter has finished. It is called once before, because drivers compile a kernel when it
    /// first runs.
    ///
    /// # Errors
    /// If `work` fails.
    pub fn measure<E>(self, mut work: impl FnMut(usize) -> Result<(), E>) -> Result<Samples, E> {
        work(1)?;
        let begun = Instant::now();
        let mut timed = |repeats: usize| -> Result<Duration, E> {
            let begun = Instant::now();
            work(repeats)?;
            Ok(begun.elapsed())
        };
        let mut repeats = 1;
        let mut first = timed(repeats)?;
        while first < self.sample && repeats < Self::MOST_REPEATS {
            repeats *= 2;
            first = timed(repeats)?;
        }
        let mut seconds = vec![first.as_secs_f64() / repeats as f64];
        while seconds.len() < self.samples && begun.elapsed() < self.limit {
            seconds.push(timed(repeats)?.as_secs_f64() / repeats as f64);
        }
        seconds.sort_by(f64::total_cmp);
        Ok(Samples { seconds, repeats })
    }
}

/// How long some work took.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// Seconds of the work in each sample, from the shortest to the longest. Never empty.
    seconds: Vec<f64>,
    /// How often each sample repeated it.
    pub repeats: usize,
}

impl Samples {
    /// The median, in seconds. Of an even number of samples, the longer of the middle two.
    pub fn median(&self) -> f64 {
        self.seconds[self.seconds.len() / 2]
    }

    /// The shortest, in seconds.
    pub fn fastest(&self) -> f64 {
        self.seconds[0]
    }

    /// The number of samples.
    pub fn count(&self) -> usize {
        self.seconds.len()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn effort(sample: Duration, samples: usize, limit: Duration) -> Effort {
        Effort { sample, samples, limit }
    }

    #[test]
    fn short_work_is_repeated_until_a_sample_is_long_enough() {
        let mut calls = Vec::new();
        // Work that takes no time is repeated as often as is allowed.
        let samples = effort(Duration::from_secs(60), 1, Duration::ZERO)
            .measure(|repeats| {
                calls.push(repeats);
                Ok::<_, Infallible>(())
            })
            .unwrap();
        assert_eq!(calls[..3], [1, 1, 2]);
        assert_eq!((calls.last(), samples.repeats), (Some(&1024), 1024));
        assert_eq!(samples.count(), 1);
    }

    #[test]
    fn long_work_is_measured_once_when_the_time_is_up() {
        let mut calls = 0;
        let samples = effort(Duration::ZERO, 5, Duration::ZERO)
            .measure(|repeats| {
                assert_eq!(repeats, 1);
                calls += 1;
                Ok::<_, Infallible>(())
            })
            .unwrap();
        assert_eq!((calls, samples.count()), (2, 1));
    }

    #[test]
    fn the_median_lies_between_the_samples() {
        let samples = Samples { seconds: vec![1.0, 2.0, 9.0], repeats: 1 };
        assert_eq!((samples.fastest(), samples.median(), samples.count()), (1.0, 2.0, 3));
    }

    #[test]
    fn work_that_fails_gives_its_error() {
        let mut calls = 0;
        let failed = Effort::on(Hardware::Gpu).measure(|_| {
            calls += 1;
            if calls == 3 { Err("lost") } else { Ok(()) }
        });
        assert_eq!(failed, Err("lost"));
    }
}
