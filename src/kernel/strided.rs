//! Reading arrays whose axes lie at any stride: the one place where broadcasts, transposes, slices and flips are paid for.

use super::real::Real;

/// How an array lies in a buffer: the element at index i stands at `offset + Σ i·stride`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Position of the first element.
    pub offset: isize,
    /// Extent and stride of each axis, outermost first.
    pub axes: Vec<(usize, isize)>,
}

impl Layout {
    /// Row-major from the start of the buffer.
    pub fn dense(shape: &[usize]) -> Self {
        let mut stride = 1;
        let mut axes: Vec<(usize, isize)> = shape
            .iter()
            .rev()
            .map(|&extent| {
                let axis = (extent, stride);
                stride *= extent as isize;
                axis
            })
            .collect();
        axes.reverse();
        Self { offset: 0, axes }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        self.axes.iter().map(|a| a.0).product()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same elements in the same order with as few axes as possible.
    pub fn collapsed(&self) -> Self {
        let mut axes: Vec<(usize, isize)> = Vec::new();
        for &(extent, stride) in self.axes.iter().filter(|a| a.0 != 1) {
            match axes.last_mut() {
                Some(last) if last.1 == extent as isize * stride => *last = (last.0 * extent, stride),
                _ => axes.push((extent, stride)),
            }
        }
        Self { offset: self.offset, axes }
    }

    /// Whether the elements stand one after the other, in order.
    pub fn is_dense(&self) -> bool {
        self.is_empty() || matches!(self.collapsed().axes.as_slice(), [] | [(_, 1)])
    }

    /// Whether every element is the same one.
    pub fn is_splat(&self) -> bool {
        self.axes.iter().all(|&(extent, stride)| extent == 1 || stride == 0)
    }

    /// Whether every element lies within a buffer of `len`.
    pub fn fits(&self, len: usize) -> bool {
        if self.is_empty() {
            return true;
        }
        let reach = |low: bool| -> isize {
            self.offset
                + self.axes.iter().map(|&(e, s)| if (s < 0) == low { (e as isize - 1) * s } else { 0 }).sum::<isize>()
        };
        reach(true) >= 0 && reach(false) < len as isize
    }
}

/// Copies elements `start..start + out.len()` of the array, in row-major order, to `out`.
pub fn load<T: Real>(layout: &Layout, data: &[T], start: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    assert!(layout.fits(data.len()) && start + out.len() <= layout.len(), "a read outside of an array");
    let Some((&(extent, stride), outer)) = layout.axes.split_last() else {
        out[0] = data[layout.offset as usize];
        return;
    };
    // Arrays of so many axes are rare, and this is called for every chunk.
    let (mut few, mut many) = ([0usize; 16], Vec::new());
    let index: &mut [usize] = match few.get_mut(..outer.len()) {
        Some(index) => index,
        None => {
            many.resize(outer.len(), 0usize);
            &mut many
        }
    };
    let mut position = start % extent;
    let mut rest = start / extent;
    let mut base = layout.offset;
    for (i, &(e, s)) in outer.iter().enumerate().rev() {
        index[i] = rest % e;
        rest /= e;
        base += index[i] as isize * s;
    }
    let mut done = 0;
    while done < out.len() {
        let run = (extent - position).min(out.len() - done);
        let to = &mut out[done..done + run];
        let first = base + position as isize * stride;
        match stride {
            1 => to.copy_from_slice(&data[first as usize..first as usize + run]),
            0 => to.fill(data[first as usize]),
            _ => {
                let mut at = first;
                for v in to {
                    *v = data[at as usize];
                    at += stride;
                }
            }
        }
        done += run;
        position = 0;
        for (i, &(e, s)) in outer.iter().enumerate().rev() {
            index[i] += 1;
            base += s;
            if index[i] < e {
                break;
            }
            base -= e as isize * s;
            index[i] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_axes_is_read() {
        // Nineteen axes of two, the first fastest: element n of the result is the bits of n reversed.
        let axes = (0..19).map(|i| (2, 1isize << i)).collect();
        let layout = Layout { axes, offset: 0 };
        let data: Vec<f64> = (0..1 << 19).map(f64::from).collect();
        let mut out = vec![0.0; 5];
        load(&layout, &data, 3, &mut out);
        let wanted: Vec<f64> = (3u32..8).map(|n| f64::from(n.reverse_bits() >> 13)).collect();
        assert_eq!(out, wanted);
    }

    #[test]
    fn any_stretch_of_any_layout_is_read_in_order() {
        let data: Vec<f32> = (0..60).map(|i| i as f32).collect();
        for layout in [
            Layout::dense(&[3, 4, 5]),
            Layout { offset: 0, axes: vec![(5, 1), (3, 20), (4, 5)] },
            Layout { offset: 59, axes: vec![(3, -20), (4, -5), (5, -1)] },
            Layout { offset: 7, axes: vec![(2, 0), (3, 4), (2, 0)] },
        ] {
            let mut want = Vec::new();
            let e: Vec<usize> = layout.axes.iter().map(|a| a.0).collect();
            for i in 0..e[0] {
                for j in 0..e[1] {
                    for k in 0..e[2] {
                        let at = [i, j, k].iter().zip(&layout.axes).map(|(&i, a)| i as isize * a.1).sum::<isize>();
                        want.push((layout.offset + at) as f32);
                    }
                }
            }
            for form in [layout.clone(), layout.collapsed()] {
                assert!(form.fits(60) && form.len() == want.len());
                for start in 0..want.len() {
                    for len in [1, 2, 7, want.len() - start] {
                        let mut out = vec![0.0; len.min(want.len() - start)];
                        load(&form, &data, start, &mut out);
                        assert_eq!(out, want[start..start + out.len()]);
                    }
                }
            }
        }
        assert!(!Layout { offset: 1, axes: vec![(3, -1)] }.fits(60));
        assert!(!Layout { offset: 0, axes: vec![(3, 30)] }.fits(60));
    }
}
