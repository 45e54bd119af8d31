//! IDX, NPY and NPZ: every element type both ways round, and headers that lie.

use super::{at, fail, folder, gzip, read};
use ghmc::base::schema::Extent;
use ghmc::data::{Source, schema};
use ndarray::{Array2, ArrayView2, ShapeBuilder};
use ndarray_npy::{WritableElement, WriteNpyExt};
use std::io::Write;

fn idx(kind: u8, shape: &[u32], body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, kind, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|n| n.to_be_bytes()));
    bytes.extend(body);
    bytes
}

fn npy<T: WritableElement>(array: ArrayView2<T>) -> Vec<u8> {
    let mut bytes = Vec::new();
    array.write_npy(&mut bytes).unwrap();
    bytes
}

/// An array as NumPy would write it, for types and orders that the writer at hand does not know.
fn raw_npy(descr: &str, fortran: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(body);
    bytes
}

#[test]
fn idx_of_every_type() {
    let expect = [1.0, -2.0, 3.0, 4.0];
    let cases: [(u8, Vec<u8>); 5] = [
        (0x09, vec![1, 254, 3, 4]),
        (0x0b, [1i16, -2, 3, 4].iter().flat_map(|v| v.to_be_bytes()).collect()),
        (0x0c, [1i32, -2, 3, 4].iter().flat_map(|v| v.to_be_bytes()).collect()),
        (0x0d, [1f32, -2.0, 3.0, 4.0].iter().flat_map(|v| v.to_be_bytes()).collect()),
        (0x0e, [1f64, -2.0, 3.0, 4.0].iter().flat_map(|v| v.to_be_bytes()).collect()),
    ];
    for (kind, body) in cases {
        let table = read("t.idx", &idx(kind, &[2, 2], &body)).unwrap();
        assert_eq!(table.column("value").unwrap().gather::<f64>(&[0, 1]), expect, "type {kind:#x}");
    }
    let table = read("t10k-labels-idx1-ubyte.gz", &gzip(&idx(8, &[3], &[7, 0, 255]))).unwrap();
    assert_eq!(table.column("value").unwrap().gather::<f32>(&[2, 0]), [255.0, 7.0]);
}

#[test]
fn idx_that_lies() {
    assert_eq!(fail("a.idx", b"").0, "E0712");
    assert_eq!(fail("a.idx", &idx(8, &[0], b"")).0, "E0712");
    assert_eq!(fail("a.idx", b"\x01\x00\x08\x01\x00\x00\x00\x01a").0, "E0715");
    assert_eq!(fail("a.idx", &idx(7, &[1], b"a")).0, "E0715");
    assert_eq!(fail("a.idx", &idx(8, &[], b"")).0, "E0715");
    assert_eq!(fail("a.idx", b"\x00\x00\x08\x02\x00\x00\x00\x01\x00").0, "E0715");
    assert_eq!(fail("a.idx", &idx(8, &[3], b"ab")).0, "E0720");
    assert_eq!(fail("a.idx", &idx(8, &[3], b"abcd")).0, "E0720");
    assert_eq!(fail("a.idx", &idx(8, &[u32::MAX; 3], b"abcd")).0, "E0715");
    assert_eq!(fail("a.idx", &idx(8, &[u32::MAX], b"abcd")).0, "E0720");
    assert_eq!(fail("a.idx", &idx(0x0d, &[1], &f32::NAN.to_be_bytes())).0, "E0707");
}

#[test]
fn npy_of_every_type_and_order() {
    let array = Array2::from_shape_fn((3, 2), |(i, j)| (10 * i + j) as f64 - 4.5);
    let table = read("a.npy", &npy(array.view())).unwrap();
    assert_eq!(table.column("value").unwrap().gather::<f64>(&[2, 0]), [15.5, 16.5, -4.5, -3.5]);
    let columns_first = Array2::from_shape_fn((3, 2).f(), |(i, j)| 10 * i as i32 + j as i32);
    let bytes = npy(columns_first.view());
    assert!(String::from_utf8_lossy(&bytes).contains("'fortran_order': True"));
    let table = read("a.npy.gz", &gzip(&bytes)).unwrap();
    assert_eq!(table.column("value").unwrap().gather::<f64>(&[1, 2]), [10.0, 11.0, 20.0, 21.0]);
    let bytes = Array2::from_shape_fn((2, 2), |(i, j)| (i + j) as u8 * 100);
    let table = read("a.npy", &npy(bytes.view())).unwrap();
    assert_eq!(table.column("value").unwrap().gather::<f32>(&[0, 1]), [0.0, 100.0, 100.0, 200.0]);
    let bools = Array2::from_shape_fn((2, 1), |(i, _)| i == 1);
    assert_eq!(read("a.npy", &npy(bools.view())).unwrap().column("value").unwrap().gather::<f32>(&[0, 1]), [0.0, 1.0]);
    let big = raw_npy(">i2", "False", "(2,)", &[1, 0, 0xff, 0xff]);
    assert_eq!(read("a.npy", &big).unwrap().column("value").unwrap().gather::<f64>(&[0, 1]), [256.0, -1.0]);
    let wide: Vec<u8> = "no\0yes".chars().flat_map(|c| (c as u32).to_le_bytes()).collect();
    let text = read("a.npy", &raw_npy("<U3", "False", "(2,)", &wide)).unwrap();
    let column = text.column("value").unwrap();
    assert_eq!(
        (column.labels.as_deref().unwrap(), column.gather::<f64>(&[0, 1])),
        (&["no".into(), "yes".into()][..], vec![0.0, 1.0])
    );
}

#[test]
fn npy_that_lies() {
    assert_eq!(fail("a.npy", b"").0, "E0712");
    assert_eq!(fail("a.npy", b"hello, world").0, "E0715");
    assert_eq!(fail("a.npy", &raw_npy("<c8", "False", "(1,)", &[0; 8])).0, "E0716");
    assert_eq!(fail("a.npy", &raw_npy("<f8", "False", "()", &[0; 8])).0, "E0715");
    assert_eq!(fail("a.npy", &raw_npy("<f8", "False", "(0, 3)", &[])).0, "E0712");
    assert_eq!(fail("a.npy", &raw_npy("<f8", "False", "(2,)", &[0; 8])).0, "E0720");
    assert_eq!(fail("a.npy", &raw_npy("<f8", "False", "(99999999999, 99999999999)", &[0; 8])).0, "E0715");
    let nan: Vec<u8> = [0.0, 1.0, f64::NAN, 2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let (code, text) = fail("a.npy", &raw_npy("<f8", "False", "(2, 2)", &nan));
    assert!(code == "E0707" && text.contains("at row 2"), "{text}");
}

fn archive(parts: &[(&str, Vec<u8>)], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        writer.start_file(*name, zip::write::SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn npz_has_a_column_an_array() {
    let parts = [
        ("x.npy", raw_npy("<f4", "False", "(2, 2)", &[1f32, 2.0, 3.0, 4.0].map(f32::to_le_bytes).concat())),
        ("y.npy", raw_npy("|u1", "False", "(2,)", &[5, 6])),
    ];
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let bytes = archive(&parts, method);
        let dir = folder("a.npz", &bytes);
        let seen = schema(&Source::Npz { path: "a.npz".into() }, &at(dir.path())).unwrap();
        assert_eq!((seen.rows, seen.column("x").unwrap().shape.as_slice()), (Some(2), &[Extent::Fixed(2)][..]));
        let table = read("a.npz", &bytes).unwrap();
        assert_eq!(table.column("x").unwrap().gather::<f64>(&[1]), [3.0, 4.0]);
        assert_eq!(table.column("y").unwrap().gather::<f64>(&[1]), [6.0]);
        assert_eq!(table.schema(), seen);
    }
    let uneven = [parts[0].clone(), ("y.npy", raw_npy("|u1", "False", "(3,)", &[5, 6, 7]))];
    assert_eq!(fail("a.npz", &archive(&uneven, zip::CompressionMethod::Stored)).0, "E0717");
    assert_eq!(fail("a.npz", b"PK but no archive").0, "E0715");
}
