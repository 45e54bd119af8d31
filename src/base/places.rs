//! Places in arrays that are stored with the last axis fastest.

/// A flat place as a place along each axis; `at` is below the product of `extents`, none of which is zero.
pub fn unravel(at: usize, extents: &[usize]) -> Vec<usize> {
    let mut rest = at;
    let mut places = vec![0; extents.len()];
    for (place, extent) in places.iter_mut().zip(extents).rev() {
        *place = rest % extent;
        rest /= extent;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::unravel;

    #[test]
    fn the_last_axis_is_the_fastest() {
        let all: Vec<Vec<usize>> = (0..6).map(|at| unravel(at, &[2, 3])).collect();
        assert_eq!(all, [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]);
        assert!(unravel(0, &[]).is_empty());
    }
}
