//! Loops that are unrolled before the compiler sees them.
//!
//! Sums stay in registers only if every index of their array is a constant. The compiler unrolls
//! small loops, but not all that a kernel needs, and then keeps the array in memory (measured: 6
//! times slower).

/// Repeats `$body` for each number in the list that is less than `$count`, with the constant
/// `$index` equal to it. `$count` is a constant too, so the rest of the list is not even
/// translated.
macro_rules! unroll {
    ($index:ident < $count:expr, 4, $body:block) => {
        unroll!(@ $index < $count, [0 1 2 3], $body)
    };
    ($index:ident < $count:expr, 8, $body:block) => {
        unroll!(@ $index < $count, [0 1 2 3 4 5 6 7], $body)
    };
    ($index:ident < $count:expr, 16, $body:block) => {
        unroll!(@ $index < $count, [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15], $body)
    };
    ($index:ident < $count:expr, 32, $body:block) => {
        unroll!(
            @ $index < $count,
            [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31],
            $body
        )
    };
    (@ $index:ident < $count:expr, [$($at:literal)*], $body:block) => {
        $({
            const $index: usize = $at;
            if const { $index < $count } $body
        })*
    };
}

pub(super) use unroll;
