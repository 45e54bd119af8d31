//! Small pictures made of characters, for a terminal: images as shaded blocks, curves as a line of bars.

/// Blocks from empty to full.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
/// Bars from low to high.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// One pixel is two characters wide, which is about as wide as a line is high.
fn pixel(value: f32) -> [char; 2] {
    let level = if value.is_finite() { (value.clamp(0.0, 1.0) * 4.0).round() as usize } else { 0 };
    [SHADES[level]; 2]
}

/// An image with values 0..1, row-major: `width` pixels a line, lines ended by a line feed.
pub fn shade(image: &[f32], width: usize) -> String {
    shade_row(&[image], width)
}

/// Images of one size side by side, two blanks between them.
pub fn shade_row(images: &[&[f32]], width: usize) -> String {
    let height = images.iter().map(|image| image.len().checked_div(width).unwrap_or(0)).max().unwrap_or(0);
    let mut out = String::new();
    for y in 0..height {
        for (i, image) in images.iter().enumerate() {
            if i > 0 {
                out.push_str("  ");
            }
            for x in 0..width {
                out.extend(pixel(image.get(y * width + x).copied().unwrap_or(0.0)));
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

/// A curve in at most `width` characters: each is the mean of the values it stands for, from the lowest to the highest.
/// Values that are not finite are left out.
pub fn sparkline(values: &[f64], width: usize) -> String {
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let count = width.min(finite.len());
    let means: Vec<f64> = (0..count)
        .map(|i| &finite[i * finite.len() / count..((i + 1) * finite.len() / count)])
        .map(|part| part.iter().sum::<f64>() / part.len() as f64)
        .collect();
    let low = means.iter().copied().fold(f64::INFINITY, f64::min);
    let high = means.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let level = |v: f64| if high > low { ((v - low) / (high - low) * 7.0).round() as usize } else { 3 };
    means.into_iter().map(|v| BARS[level(v).min(7)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_keep_their_shape() {
        let image = [0.0, 1.0, 0.5, 0.0, f32::NAN, 2.0];
        assert_eq!(shade(&image, 2), "  ██\n▒▒\n  ██\n");
        assert_eq!(shade_row(&[&[1.0, 1.0], &[0.25, 0.75]], 1), "██  ░░\n██  ▓▓\n");
        assert_eq!(shade(&[], 0), "");
    }

    #[test]
    fn curves_span_all_bars() {
        assert_eq!(sparkline(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 80), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[1.0; 4], 2), "▄▄");
        assert_eq!(sparkline(&[f64::NAN], 5), "");
        assert_eq!(sparkline(&(0..1000).map(f64::from).collect::<Vec<_>>(), 8), "▁▂▃▄▅▆▇█");
    }
}
