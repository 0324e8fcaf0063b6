//! Which of the tasks of one call comes before which, and circles among them.

use std::collections::VecDeque;

/// Puts `edges.len()` things in an order in which each comes after all it needs: `edges[i]` are the things `i` needs.
/// Numbers out of range are passed over. The error is a circle: each needs the next, the last needs the first.
///
/// Takes time in proportion to things and edges, whatever their shape, and no stack.
pub fn in_order(edges: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let count = edges.len();
    let mut open = vec![0_usize; count];
    let mut needed_by = vec![Vec::new(); count];
    for (thing, needs) in edges.iter().enumerate() {
        for need in needs.iter().copied().filter(|need| *need < count) {
            needed_by[need].push(thing);
            open[thing] += 1;
        }
    }
    let mut next: VecDeque<usize> = (0..count).filter(|thing| open[*thing] == 0).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(thing) = next.pop_front() {
        order.push(thing);
        for after in &needed_by[thing] {
            open[*after] -= 1;
            if open[*after] == 0 {
                next.push_back(*after);
            }
        }
    }
    if order.len() == count { Ok(order) } else { Err(circle(edges, &open)) }
}

/// Everything with open needs leads to a circle: follow the needs until one comes again.
fn circle(edges: &[Vec<usize>], open: &[usize]) -> Vec<usize> {
    let is_open = |thing: &usize| open.get(*thing).is_some_and(|needs| *needs > 0);
    let mut seen_at = vec![None; edges.len()];
    let mut path = Vec::new();
    let mut at = (0..edges.len()).find(is_open);
    while let Some(thing) = at {
        if let Some(from) = seen_at[thing] {
            return path.split_off(from);
        }
        seen_at[thing] = Some(path.len());
        path.push(thing);
        at = edges[thing].iter().copied().find(is_open);
    }
    path
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
