//! Whether the calling thread or the whole thread pool runs a step.

use rayon::prelude::*;

use super::layout::Layout;

/// Which threads run a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parallelism {
    /// The calling thread. The other threads work on other photos.
    Serial,
    /// All threads of the pool.
    Parallel,
}

impl Parallelism {
    /// Calls `work` on each of `items`.
    pub fn each<T: Send>(self, items: Vec<T>, work: impl Fn(T) + Sync + Send) {
        match self {
            Self::Serial => items.into_iter().for_each(work),
            Self::Parallel => items.into_par_iter().for_each(work),
        }
    }

    /// Splits `data` into pieces of `piece` floats and calls `work` with each piece's index and the
    /// piece.
    pub fn pieces(
        self,
        data: &mut [f32],
        piece: usize,
        work: impl Fn(usize, &mut [f32]) + Sync + Send,
    ) {
        self.each(data.chunks_mut(piece).enumerate().collect(), |(at, piece)| work(at, piece));
    }

    /// Splits the lines of each photo in `output` into groups of `count` and calls `work` with the
    /// photo's index, the index of the first line, and the lines including their borders.
    pub fn lines(
        self,
        layout: &Layout,
        count: usize,
        output: &mut [f32],
        work: impl Fn(usize, usize, &mut [f32]) + Sync + Send,
    ) {
        let pieces = output
            .chunks_mut(layout.photo())
            .enumerate()
            .flat_map(|(photo, output)| {
                output[layout.rows()]
                    .chunks_mut(count * layout.row())
                    .enumerate()
                    .map(move |(at, lines)| (photo, at * count, lines))
            })
            .collect();
        self.each(pieces, |(photo, first, lines)| work(photo, first, lines));
    }
}
