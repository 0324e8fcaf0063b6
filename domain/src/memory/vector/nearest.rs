//! The nearest of many.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Keeps the nearest of what it is shown, in as much room as is wanted.
#[derive(Debug, Clone)]
pub struct Nearest<T> {
    wanted: usize,
    kept: BinaryHeap<Reverse<Near<T>>>,
    shown: usize,
}

#[derive(Debug, Clone)]
struct Near<T> {
    cosine: f64,
    what: T,
}

impl<T: Ord> Ord for Near<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of equals the lesser one is nearer, so that it does not matter in which order they are shown.
        self.cosine.total_cmp(&other.cosine).then_with(|| other.what.cmp(&self.what))
    }
}

impl<T: Ord> PartialOrd for Near<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Near<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T: Ord> Eq for Near<T> {}

impl<T: Ord> Nearest<T> {
    /// Keeps so many.
    pub fn new(wanted: usize) -> Self {
        Self { wanted, kept: BinaryHeap::new(), shown: 0 }
    }

    /// Shows it one more.
    pub fn show(&mut self, cosine: f64, what: T) {
        self.shown += 1;
        let near = Near { cosine, what };
        if self.kept.len() < self.wanted {
            self.kept.push(Reverse(near));
        } else if let Some(mut farthest) = self.kept.peek_mut()
            && near > farthest.0
        {
            *farthest = Reverse(near);
        }
    }

    /// Whether it kept all that it was shown.
    pub fn is_all(&self) -> bool {
        self.shown <= self.wanted
    }

    /// What it kept, the nearest first, with the cosines.
    pub fn into_sorted(self) -> Vec<(T, f64)> {
        self.kept.into_sorted_vec().into_iter().map(|Reverse(near)| (near.what, near.cosine)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_kept_whatever_the_order() {
        let all = [(0.5, 'e'), (-1.0, 'z'), (0.9, 'b'), (0.9, 'a'), (0.1, 'y'), (0.5, 'd')];
        for turned in 0..all.len() {
            let mut nearest = Nearest::new(3);
            let mut shown = all;
            shown.rotate_left(turned);
            for (cosine, what) in &shown {
                nearest.show(*cosine, *what);
            }
            assert!(!nearest.is_all());
            assert_eq!(nearest.into_sorted(), [('a', 0.9), ('b', 0.9), ('d', 0.5)], "{turned}");
        }
    }

    #[test]
    fn fewer_than_wanted_are_all_kept() {
        let mut nearest = Nearest::new(2);
        nearest.show(0.1, 1);
        nearest.show(0.2, 2);
        assert!(nearest.is_all());
        assert_eq!(nearest.into_sorted(), [(2, 0.2), (1, 0.1)]);
        let mut nothing = Nearest::new(0);
        nothing.show(1.0, 1);
        assert!(!nothing.is_all() && nothing.into_sorted().is_empty());
    }
}
