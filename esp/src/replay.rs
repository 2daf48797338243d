//! Knows which sequence numbers were seen (RFC 6479). Never sees a packet.

/// The anti-replay window of one inbound SA.
///
/// A ring of 64-bit blocks; one block more than the window is wide, so that moving
/// on means clearing whole blocks and never shifting bits.
#[derive(Debug)]
pub struct Window {
    top: u64,
    blocks: [u64; BLOCKS],
}

impl Window {
    /// Begin with nothing seen.
    pub const fn new() -> Self {
        Self { top: 0, blocks: [0; BLOCKS] }
    }

    /// Say whether a number is new enough and not yet seen; 0 is never sent (RFC 4303 §3.3.3).
    pub fn admits(&self, number: u64) -> bool {
        if number > self.top {
            return true;
        }
        number != 0 && self.top - number < SIZE && self.blocks[block(number)] & bit(number) == 0
    }

    /// Mark a number as seen; call it only when the packet proved authentic (RFC 4303 §3.4.3).
    pub fn mark(&mut self, number: u64) {
        if number > self.top {
            let (old, new) = (self.top / BITS, number / BITS);
            for passed in 1..=(new - old).min(BLOCKS as u64) {
                self.blocks[block((old + passed) * BITS)] = 0;
            }
            self.top = number;
        }
        self.blocks[block(number)] |= bit(number);
    }
}

impl Default for Window {
    fn default() -> Self {
        Self::new()
    }
}

fn block(number: u64) -> usize {
    (number / BITS % BLOCKS as u64) as usize
}

fn bit(number: u64) -> u64 {
    1 << (number % BITS)
}

// Our choices.

const BITS: u64 = u64::BITS as u64;
const BLOCKS: usize = 32;

/// How many numbers back from the highest one are still accepted.
pub const SIZE: u64 = (BLOCKS as u64 - 1) * BITS;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// The same, slowly: all numbers ever accepted.
    #[derive(Default)]
    struct Model {
        seen: BTreeSet<u64>,
    }

    impl Model {
        fn accept(&mut self, number: u64) -> bool {
            let top = self.seen.last().copied().unwrap_or(0);
            number != 0 && number + SIZE > top && self.seen.insert(number)
        }
    }

    fn accept(window: &mut Window, number: u64) -> bool {
        let admitted = window.admits(number);
        if admitted {
            window.mark(number);
        }
        admitted
    }

    fn numbers() -> impl Strategy<Value = Vec<u64>> {
        let near = (0u64..6 * SIZE).prop_flat_map(|base| prop::collection::vec(base..base + 3 * SIZE, 1..400));
        let steps = prop::collection::vec((0u64..200, 0u64..2 * SIZE), 1..400).prop_map(|steps| {
            let mut at = 0;
            steps
                .into_iter()
                .map(|(ahead, back)| {
                    at += ahead;
                    at.saturating_sub(back)
                })
                .collect()
        });
        let last = u64::from(u32::MAX);
        let edge = prop::collection::vec(0u64..2 * SIZE, 1..400)
            .prop_map(move |backs| backs.into_iter().map(|back| last - back).collect());
        let repeated = (0u64..3 * SIZE, 1usize..200).prop_flat_map(|(base, count)| {
            let numbers: Vec<u64> = (base..).take(count).flat_map(|number| [number; 3]).collect();
            Just(numbers).prop_shuffle()
        });
        prop_oneof![near, steps, edge, repeated, prop::collection::vec(0u64..=u32::MAX.into(), 1..100)]
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set_of_everything_seen(numbers in numbers()) {
            let (mut window, mut model) = (Window::new(), Model::default());
            for number in numbers {
                prop_assert_eq!(accept(&mut window, number), model.accept(number), "number {}", number);
            }
        }
    }

    #[test]
    fn reordering_less_than_the_window_loses_nothing_and_more_loses_all() {
        let mut window = Window::new();
        window.mark(SIZE);
        assert!((1..SIZE).all(|number| accept(&mut window, number)));
        window.mark(3 * SIZE);
        assert!((SIZE..=2 * SIZE).all(|number| !window.admits(number)));
    }
}
