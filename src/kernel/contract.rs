//! Products of tables summed into tables: the loops under sum-product and max-product elimination.
//!
//! In: tables of nonnegative numbers that lie anywhere in their buffers, as loops with strides; out: tables that the sums (or
//! maxima) of their products were added to. [`Walk`] moves one table onto another (copy, spread, multiply, sum); [`Nest`]
//! multiplies many at once and never stores the product: `Π_j in_j[x]` is added to `out_k[x]` for every joint index x and every k.

use super::real::Real;
use super::simd::tiered;

/// Loops that read one table and write another, with as few loops as the strides allow.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Walk {
    /// Extents, outermost first; the last loop is always there.
    extents: Vec<usize>,
    from: Vec<usize>,
    to: Vec<usize>,
    /// One past the largest place read and written.
    reach: [usize; 2],
}

/// What happens to a cell that a walk arrives at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It is overwritten.
    Set,
    /// It is multiplied.
    Multiply,
    /// It is added to.
    Add,
    /// It becomes the larger of itself and what is read.
    Largest,
}

impl Walk {
    /// Loops given outermost first as (extent, stride read, stride written).
    pub fn new(loops: impl IntoIterator<Item = (usize, usize, usize)>) -> Self {
        let mut walk = Self { reach: [1, 1], ..Self::default() };
        for (extent, from, to) in loops {
            walk.reach[0] += extent.saturating_sub(1) * from;
            walk.reach[1] += extent.saturating_sub(1) * to;
            if extent == 1 {
                continue;
            }
            match walk.extents.len().checked_sub(1) {
                Some(last) if walk.from[last] == extent * from && walk.to[last] == extent * to => {
                    walk.extents[last] *= extent;
                    (walk.from[last], walk.to[last]) = (from, to);
                }
                _ => {
                    walk.extents.push(extent);
                    walk.from.push(from);
                    walk.to.push(to);
                }
            }
        }
        if walk.extents.is_empty() {
            walk.extents.push(1);
            walk.from.push(1);
            walk.to.push(1);
        }
        walk
    }

    /// How many steps the loops take.
    pub fn steps(&self) -> usize {
        self.extents.iter().product()
    }

    /// Whether the walk reads its table in order and writes one as long, so that no copy is needed.
    pub fn is_plain(&self) -> bool {
        self.extents.len() == 1 && self.from[0] == 1 && self.to[0] == 1
    }

    /// Walks `from` into `to`; both must reach as far as the loops do.
    pub fn run<T: Real>(&self, how: How, from: &[T], to: &mut [T]) {
        let (from, to) = (&from[..self.reach[0]], &mut to[..self.reach[1]]);
        match how {
            How::Set => walk_set(self, from, to),
            How::Multiply => walk_multiply(self, from, to),
            How::Add => walk_add(self, from, to),
            How::Largest => walk_largest(self, from, to),
        }
    }

    #[inline(always)]
    fn each<T: Real>(&self, from: &[T], to: &mut [T], join: impl Fn(T, T) -> T) {
        let last = self.extents.len() - 1;
        let (n, read, write) = (self.extents[last], self.from[last], self.to[last]);
        let mut odometer = Odometer::new(&self.extents[..last]);
        let mut at = [0; 2];
        loop {
            let [a, b] = at;
            match (read, write) {
                (1, 1) => {
                    for (y, &x) in to[b..b + n].iter_mut().zip(&from[a..a + n]) {
                        *y = join(*y, x);
                    }
                }
                (0, 1) => {
                    let x = from[a];
                    for y in &mut to[b..b + n] {
                        *y = join(*y, x);
                    }
                }
                (1, 0) => to[b] = from[a..a + n].iter().fold(to[b], |y, &x| join(y, x)),
                _ => {
                    for i in 0..n {
                        let y = &mut to[b + i * write];
                        *y = join(*y, from[a + i * read]);
                    }
                }
            }
            let Some(level) = odometer.step(&self.extents) else { return };
            for (strides, place) in [&self.from, &self.to].into_iter().zip(&mut at) {
                *place += strides[level];
                for l in level + 1..last {
                    *place -= (self.extents[l] - 1) * strides[l];
                }
            }
        }
    }
}

tiered! {
    fn walk_set(walk: &Walk, from: &[T], to: &mut [T]) = set_inner, set_inner, set_inner;
}

tiered! {
    fn walk_multiply(walk: &Walk, from: &[T], to: &mut [T]) = multiply_inner, multiply_inner, multiply_inner;
}

tiered! {
    fn walk_add(walk: &Walk, from: &[T], to: &mut [T]) = add_inner, add_inner, add_inner;
}

tiered! {
    fn walk_largest(walk: &Walk, from: &[T], to: &mut [T]) = walk_largest_inner, walk_largest_inner, walk_largest_inner;
}

#[inline(always)]
fn set_inner<T: Real>(walk: &Walk, from: &[T], to: &mut [T]) {
    walk.each(from, to, |_, x| x);
}

#[inline(always)]
fn multiply_inner<T: Real>(walk: &Walk, from: &[T], to: &mut [T]) {
    walk.each(from, to, |y, x| y * x);
}

#[inline(always)]
fn add_inner<T: Real>(walk: &Walk, from: &[T], to: &mut [T]) {
    walk.each(from, to, |y, x| y + x);
}

#[inline(always)]
fn walk_largest_inner<T: Real>(walk: &Walk, from: &[T], to: &mut [T]) {
    walk.each(from, to, larger);
}

#[inline(always)]
fn larger<T: Real>(a: T, b: T) -> T {
    if b > a { b } else { a }
}

/// Counts through a box of indices, the last loop fastest.
struct Odometer {
    index: [u32; 64],
    loops: usize,
}

impl Odometer {
    #[inline(always)]
    fn new(extents: &[usize]) -> Self {
        debug_assert!(extents.len() <= 64, "a table of 2^64 cells does not exist");
        Self { index: [0; 64], loops: extents.len() }
    }

    /// The loop that went up by one (those inside it went back to zero); none at the end.
    #[inline(always)]
    fn step(&mut self, extents: &[usize]) -> Option<usize> {
        let mut level = self.loops;
        while level > 0 {
            level -= 1;
            self.index[level] += 1;
            if (self.index[level] as usize) < extents[level] {
                return Some(level);
            }
            self.index[level] = 0;
        }
        None
    }
}

/// How one table takes part in a [`Nest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Whether a whole row of the table (contiguous, as long as the nest's) takes part at each step, or a single cell.
    pub wide: bool,
    /// Stride along the middle loop; 0 where the table does not have that axis.
    pub middle: usize,
    /// Strides along the outer loops.
    pub outer: Vec<usize>,
}

/// Loops that multiply tables and add the product up in others: outer loops, one middle loop, and rows of contiguous cells.
///
/// Whatever does not change along the middle loop is multiplied before it and added up after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nest {
    /// Extents of the outer loops, outermost first.
    pub outer: Vec<usize>,
    /// Extent of the middle loop.
    pub middle: usize,
    /// Length of a row.
    pub row: usize,
    /// The factors of the product.
    pub ins: Vec<Port>,
    /// Where it is added up.
    pub outs: Vec<Port>,
}

impl Nest {
    /// Adds the product of `ins` into `outs`.
    pub fn sum<T: Real>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let mut scratch = vec![T::ZERO; 3 * self.row];
        nest_sum(self, ins, outs, &mut scratch);
    }

    /// Raises each cell of `outs` to the largest product of `ins` that falls on it.
    pub fn largest<T: Real>(&self, ins: &[&[T]], outs: &mut [&mut [T]]) {
        let mut scratch = vec![T::ZERO; 3 * self.row];
        nest_largest(self, ins, outs, &mut scratch);
    }
}

tiered! {
    fn nest_sum(nest: &Nest, ins: &[&[T]], outs: &mut [&mut [T]], scratch: &mut [T]) = sum_inner, sum_inner, sum_inner;
}

tiered! {
    fn nest_largest(nest: &Nest, ins: &[&[T]], outs: &mut [&mut [T]], scratch: &mut [T])
        = largest_inner, largest_inner, largest_inner;
}

#[inline(always)]
fn sum_inner<T: Real>(nest: &Nest, ins: &[&[T]], outs: &mut [&mut [T]], scratch: &mut [T]) {
    nest_inner(nest, ins, outs, scratch, |a, b| a + b);
}

#[inline(always)]
fn largest_inner<T: Real>(nest: &Nest, ins: &[&[T]], outs: &mut [&mut [T]], scratch: &mut [T]) {
    nest_inner(nest, ins, outs, scratch, larger);
}

/// One table in the running loops: which one, where it stands, its stride along the middle.
#[derive(Clone, Copy)]
struct Hand {
    table: usize,
    middle: usize,
}

#[inline(always)]
fn nest_inner<T: Real>(
    nest: &Nest,
    ins: &[&[T]],
    outs: &mut [&mut [T]],
    scratch: &mut [T],
    join: impl Fn(T, T) -> T + Copy,
) {
    let n = nest.row;
    let (base, rest) = scratch.split_at_mut(n);
    let (product, rest) = rest.split_at_mut(n);
    let sum = &mut rest[..n];
    let hands = |ports: &[Port], wide: bool, moving: bool| -> Vec<Hand> {
        let fits = |p: &Port| p.wide == wide && (p.middle != 0) == moving;
        (0..ports.len()).filter(|&i| fits(&ports[i])).map(|i| Hand { table: i, middle: ports[i].middle }).collect()
    };
    let [still_cells, cells] = [false, true].map(|moving| hands(&nest.ins, false, moving));
    let [still_rows, rows] = [false, true].map(|moving| hands(&nest.ins, true, moving));
    let [still_totals, totals] = [false, true].map(|moving| hands(&nest.outs, false, moving));
    let [still_sums, sums] = [false, true].map(|moving| hands(&nest.outs, true, moving));
    let gathers = !still_totals.is_empty() || !still_sums.is_empty();
    let only_gathers = gathers && totals.is_empty() && sums.is_empty();
    let mut odometer = Odometer::new(&nest.outer);
    let mut at: Vec<usize> = vec![0; ins.len()];
    let mut to: Vec<usize> = vec![0; outs.len()];
    loop {
        let mut weight = T::ONE;
        for h in &still_cells {
            weight *= ins[h.table][at[h.table]];
        }
        if weight != T::ZERO {
            let base: &[T] = match still_rows.as_slice() {
                [] => {
                    base.fill(T::ONE);
                    base
                }
                [one] => &ins[one.table][at[one.table]..][..n],
                [first, second, more @ ..] => {
                    let (a, b) =
                        (&ins[first.table][at[first.table]..][..n], &ins[second.table][at[second.table]..][..n]);
                    for i in 0..n {
                        base[i] = a[i] * b[i];
                    }
                    for h in more {
                        let a = &ins[h.table][at[h.table]..][..n];
                        for i in 0..n {
                            base[i] *= a[i];
                        }
                    }
                    base
                }
            };
            if gathers {
                sum.fill(T::ZERO);
            }
            for m in 0..nest.middle {
                let mut w = weight;
                for h in &cells {
                    w *= ins[h.table][at[h.table] + m * h.middle];
                }
                if w == T::ZERO {
                    continue;
                }
                let row = |h: &Hand| &ins[h.table][at[h.table] + m * h.middle..][..n];
                if only_gathers {
                    match rows.as_slice() {
                        [] => {
                            for i in 0..n {
                                sum[i] = join(sum[i], w * base[i]);
                            }
                            continue;
                        }
                        [a] => {
                            let a = row(a);
                            for i in 0..n {
                                sum[i] = join(sum[i], w * base[i] * a[i]);
                            }
                            continue;
                        }
                        [a, b] => {
                            let (a, b) = (row(a), row(b));
                            for i in 0..n {
                                sum[i] = join(sum[i], w * base[i] * a[i] * b[i]);
                            }
                            continue;
                        }
                        _ => {}
                    }
                }
                match rows.as_slice() {
                    [] => {
                        for i in 0..n {
                            product[i] = w * base[i];
                        }
                    }
                    [a] => {
                        let a = row(a);
                        for i in 0..n {
                            product[i] = w * base[i] * a[i];
                        }
                    }
                    [a, b, more @ ..] => {
                        let (a, b) = (row(a), row(b));
                        for i in 0..n {
                            product[i] = w * base[i] * a[i] * b[i];
                        }
                        for h in more {
                            let a = row(h);
                            for i in 0..n {
                                product[i] *= a[i];
                            }
                        }
                    }
                }
                if gathers {
                    for i in 0..n {
                        sum[i] = join(sum[i], product[i]);
                    }
                }
                for h in &sums {
                    let out = &mut outs[h.table][to[h.table] + m * h.middle..][..n];
                    for i in 0..n {
                        out[i] = join(out[i], product[i]);
                    }
                }
                if !totals.is_empty() {
                    let total = fold(product, join);
                    for h in &totals {
                        let out = &mut outs[h.table][to[h.table] + m * h.middle];
                        *out = join(*out, total);
                    }
                }
            }
            for h in &still_sums {
                let out = &mut outs[h.table][to[h.table]..][..n];
                for i in 0..n {
                    out[i] = join(out[i], sum[i]);
                }
            }
            if !still_totals.is_empty() {
                let total = fold(sum, join);
                for h in &still_totals {
                    let out = &mut outs[h.table][to[h.table]];
                    *out = join(*out, total);
                }
            }
        }
        let Some(level) = odometer.step(&nest.outer) else { return };
        for (place, port) in at.iter_mut().zip(&nest.ins).chain(to.iter_mut().zip(&nest.outs)) {
            *place += port.outer[level];
            for l in level + 1..nest.outer.len() {
                *place -= (nest.outer[l] - 1) * port.outer[l];
            }
        }
    }
}

/// All entries of a row joined, in a fixed order that a vector unit can keep.
#[inline(always)]
fn fold<T: Real>(row: &[T], join: impl Fn(T, T) -> T + Copy) -> T {
    let mut lanes = [T::ZERO; 8];
    let mut chunks = row.chunks_exact(8);
    for chunk in &mut chunks {
        for l in 0..8 {
            lanes[l] = join(lanes[l], chunk[l]);
        }
    }
    let mut total = T::ZERO;
    for &x in chunks.remainder() {
        total = join(total, x);
    }
    let halves = [0, 1, 2, 3].map(|l| join(lanes[l], lanes[l + 4]));
    join(total, join(join(halves[0], halves[2]), join(halves[1], halves[3])))
}

/// The largest of nonnegative numbers, 0 for none; not a number if one of them is not.
pub fn largest<T: Real>(cells: &[T]) -> T {
    let mut top = [T::ZERO; 1];
    top_of(cells, &mut top);
    top[0]
}

/// Divides every cell by a positive finite number.
pub fn scale<T: Real>(cells: &mut [T], by: T) {
    scale_all(cells, by);
}

/// Divides cell by cell; where the divisor is zero the quotient is zero.
pub fn divide<T: Real>(cells: &mut [T], by: &[T]) {
    assert_eq!(cells.len(), by.len(), "a quotient of tables of different size");
    divide_all(cells, by);
}

tiered! {
    fn top_of(cells: &[T], top: &mut [T]) = top_inner, top_inner, top_inner;
}

tiered! {
    fn scale_all(cells: &mut [T], by: T) = scale_inner, scale_inner, scale_inner;
}

tiered! {
    fn divide_all(cells: &mut [T], by: &[T]) = divide_inner, divide_inner, divide_inner;
}

#[inline(always)]
fn top_inner<T: Real>(cells: &[T], top: &mut [T]) {
    // The sum is not a number whenever a cell is not, and costs nothing beside the maximum.
    top[0] = fold(cells, larger);
    let sum = fold(cells, |a, b| a + b);
    if sum.is_nan() {
        top[0] = sum;
    }
}

#[inline(always)]
fn scale_inner<T: Real>(cells: &mut [T], by: T) {
    let over = T::ONE / by;
    if over.is_finite() {
        for x in cells {
            *x *= over;
        }
    } else {
        // One over a subnormal number is out of range.
        for x in cells {
            *x = *x / by;
        }
    }
}

#[inline(always)]
fn divide_inner<T: Real>(cells: &mut [T], by: &[T]) {
    for (x, &d) in cells.iter_mut().zip(by) {
        *x = if d > T::ZERO { *x / d } else { T::ZERO };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_transposes_spreads_and_sums() {
        let table: Vec<f64> = (0..6).map(f64::from).collect();
        let mut turned = vec![0.0; 6];
        Walk::new([(3, 1, 2), (2, 3, 1)]).run(How::Set, &table, &mut turned);
        assert_eq!(turned, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        let mut spread = vec![1.0; 12];
        Walk::new([(2, 3, 6), (2, 0, 3), (3, 1, 1)]).run(How::Multiply, &table, &mut spread);
        assert_eq!(spread, [0.0, 1.0, 2.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 3.0, 4.0, 5.0]);
        let mut sums = vec![0.0; 2];
        Walk::new([(2, 3, 1), (3, 1, 0)]).run(How::Add, &table, &mut sums);
        assert_eq!(sums, [3.0, 12.0]);
        let mut most = vec![0.0; 3];
        Walk::new([(2, 3, 0), (3, 1, 1)]).run(How::Largest, &table, &mut most);
        assert_eq!(most, [3.0, 4.0, 5.0]);
        assert!(Walk::new([(2, 3, 3), (3, 1, 1)]).is_plain());
        assert_eq!(Walk::new([]).steps(), 1);
    }

    #[test]
    fn a_nest_equals_its_loops() {
        // x[a, c] y[b, c] z[a, b] summed into p[a, c], q[b], with a outside, b in the middle and c along rows.
        let (na, nb, nc) = (3, 4, 9);
        let cells = |n: usize, k: usize| -> Vec<f64> { (0..n).map(|i| ((i * 7 + k) % 5) as f64).collect() };
        let (x, y, z) = (cells(na * nc, 1), cells(nb * nc, 2), cells(na * nb, 3));
        let port = |wide, middle, outer: usize| Port { wide, middle, outer: vec![outer] };
        let nest = Nest {
            outer: vec![na],
            middle: nb,
            row: nc,
            ins: vec![port(true, 0, nc), port(true, nc, 0), port(false, 1, nb)],
            outs: vec![port(true, 0, nc), port(false, 1, 0)],
        };
        let (mut p, mut q) = (vec![0.0; na * nc], vec![0.0; nb]);
        let (mut p_most, mut q_most) = (p.clone(), q.clone());
        nest.sum(&[&x, &y, &z], &mut [&mut p, &mut q]);
        nest.largest(&[&x, &y, &z], &mut [&mut p_most, &mut q_most]);
        let value = |a: usize, b: usize, c: usize| x[a * nc + c] * y[b * nc + c] * z[a * nb + b];
        for a in 0..na {
            for c in 0..nc {
                let column: Vec<f64> = (0..nb).map(|b| value(a, b, c)).collect();
                assert_eq!(p[a * nc + c], column.iter().sum::<f64>());
                assert_eq!(p_most[a * nc + c], column.iter().copied().fold(0.0, f64::max));
            }
        }
        for b in 0..nb {
            let slab: Vec<f64> =
                (0..na).flat_map(|a| (0..nc).map(move |c| (a, c))).map(|(a, c)| value(a, b, c)).collect();
            assert_eq!(q[b], slab.iter().sum::<f64>());
            assert_eq!(q_most[b], slab.iter().copied().fold(0.0, f64::max));
        }
    }
}
