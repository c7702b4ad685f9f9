//! Who does a step's work: the thread that asks, or all of them.

use rayon::prelude::*;

use super::layout::Layout;

/// Who does a step's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Team {
    /// The thread that asks. Other threads are busy with other photos.
    Alone,
    /// All threads of the pool.
    Together,
}

impl Team {
    /// Calls `work` with each of `items`.
    pub fn each<T: Send>(self, items: Vec<T>, work: impl Fn(T) + Sync + Send) {
        match self {
            Self::Alone => items.into_iter().for_each(work),
            Self::Together => items.into_par_iter().for_each(work),
        }
    }

    /// Calls `work` with each piece of `data` of length `piece`, and its index.
    pub fn pieces(
        self,
        data: &mut [f32],
        piece: usize,
        work: impl Fn(usize, &mut [f32]) + Sync + Send,
    ) {
        self.each(data.chunks_mut(piece).enumerate().collect(), |(at, piece)| work(at, piece));
    }

    /// Calls `work` with the photo, the first line and the lines themselves, with their borders, of every `count` lines
    /// of `output`.
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
