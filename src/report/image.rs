//! Images of numbers as PNG: a whole grid in one picture, a pixel a value, enlarged only where it is shown.
//! What lies between the images is transparent, so that a picture suits a light page and a dark one.

use super::errors::ReportError;
use super::run_report::{ImageGrid, Shading};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Pixels between images.
const GAP: usize = 1;
/// Colours of positive and of negative weights.
const POSITIVE: [u8; 3] = [43, 123, 196];
const NEGATIVE: [u8; 3] = [214, 96, 30];

/// Red, green, blue and opacity of each value of an image.
fn colours(image: &[f32], shading: Shading) -> Vec<[u8; 4]> {
    let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as u8;
    match shading {
        Shading::Ink | Shading::Grey => image
            .iter()
            .map(|&v| if v.is_nan() { [255, 0, 0, 255] } else { [byte(v), byte(v), byte(v), 255] })
            .collect(),
        Shading::Signed => {
            let full = image.iter().copied().filter(|v| v.is_finite()).map(f32::abs).fold(0.0, f32::max);
            let colour = |&v: &f32| {
                let [r, g, b] = if v < 0.0 { NEGATIVE } else { POSITIVE };
                let share = if full > 0.0 { (v.abs() / full).min(1.0) } else { 0.0 };
                // A trace of colour at zero lets the frame of each image be seen.
                [r, g, b, byte(0.07 + 0.93 * share)]
            };
            image.iter().map(colour).collect()
        }
    }
}

fn check(grid: &ImageGrid) -> Result<(), ReportError> {
    let (height, width) = (grid.height, grid.width);
    match grid.images.iter().position(|image| image.len() != height * width || image.is_empty()) {
        None => Ok(()),
        Some(at) => Err(ReportError::ImageSize {
            title: grid.title.clone(),
            index: at + 1,
            found: grid.images[at].len(),
            height,
            width,
        }),
    }
}

/// Width and height in pixels of a grid drawn with so many images side by side.
pub(super) fn extent(grid: &ImageGrid) -> (usize, usize) {
    let columns = grid.columns.clamp(1, grid.images.len().max(1));
    let rows = grid.images.len().div_ceil(columns).max(1);
    (columns * (grid.width + GAP) - GAP, rows * (grid.height + GAP) - GAP)
}

/// The whole grid as one PNG. E0909 where an image does not fill its frame.
pub fn grid_png(grid: &ImageGrid) -> Result<Vec<u8>, ReportError> {
    check(grid)?;
    let columns = grid.columns.clamp(1, grid.images.len().max(1));
    let (width, height) = extent(grid);
    let mut pixels = vec![0; 4 * width * height];
    for (at, image) in grid.images.iter().enumerate() {
        let (top, left) = (at / columns * (grid.height + GAP), at % columns * (grid.width + GAP));
        for (i, colour) in colours(image, grid.shading).into_iter().enumerate() {
            let place = 4 * ((top + i / grid.width) * width + left + i % grid.width);
            pixels[place..place + 4].copy_from_slice(&colour);
        }
    }
    Ok(encode(&pixels, width, height))
}

/// One image of a grid as a PNG.
pub fn tile_png(grid: &ImageGrid, at: usize) -> Result<Vec<u8>, ReportError> {
    check(grid)?;
    let image = grid.images.get(at).map_or(&[][..], Vec::as_slice);
    let pixels: Vec<u8> = colours(image, grid.shading).into_iter().flatten().collect();
    Ok(if pixels.is_empty() { encode(&[0; 4], 1, 1) } else { encode(&pixels, grid.width, grid.height) })
}

/// The PNG file of these pixels. Writing into memory cannot fail once the sizes agree, which the callers see to.
fn encode(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let written = encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels));
    debug_assert!(written.is_ok(), "{written:?}");
    out
}

/// An SVG file as a `data:` address.
pub fn svg_uri(svg: &str) -> String {
    format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))
}

/// A PNG as a `data:` address.
pub fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}
