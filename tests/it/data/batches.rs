//! Batches and the transforms of bindings: all of them functions of the seed, none of the order of reading.

use ghmc::data::{Batches, Column, Table, binarise, reveal, threshold};

#[test]
fn an_epoch_reads_every_row_once() {
    let rows: Vec<usize> = (0..103).map(|i| 2 * i).collect();
    let batches = Batches::new(&rows, 20, 7, 3, true);
    assert_eq!((batches.len(), batches.get(5).len(), batches.get(6).len()), (6, 3, 0));
    let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
    assert_ne!(seen, rows);
    seen.sort_unstable();
    assert_eq!(seen, rows);
    assert_eq!(batches, Batches::new(&rows, 20, 7, 3, true));
    assert_ne!(batches, Batches::new(&rows, 20, 7, 4, true));
    assert_ne!(batches, Batches::new(&rows, 20, 8, 3, true));
    assert_eq!(Batches::new(&rows, 20, 7, 3, false).rows(), rows);
}

#[test]
fn a_draw_depends_on_its_row_and_not_on_its_batch() {
    let column = Column::numbers(vec![5], (0..500).map(|i| f64::from(i % 5) / 4.0).collect());
    let draw = |rows: &[usize], epoch| {
        let mut values = column.gather::<f32>(rows);
        binarise(&mut values, rows, 5, 1, 9, epoch);
        values
    };
    let all: Vec<usize> = (0..100).collect();
    let whole = draw(&all, 0);
    assert_eq!(draw(&[42], 0), whole[210..215]);
    assert_ne!(whole, draw(&all, 1));
    for at in 0..5 {
        let ones: f32 = (0..100).map(|row| whole[5 * row + at]).sum();
        let expect = 25.0 * at as f32;
        assert!((ones - expect).abs() <= 20.0, "{ones} of 100 at probability {}", expect / 100.0);
        assert!(at != 0 && at != 4 || ones == expect, "certain pixels never flip");
    }
}

#[test]
fn thresholds_and_scaled_columns() {
    let mut values = [0.2, 0.5, 0.7f64];
    threshold(&mut values, 0.5);
    assert_eq!(values, [0.0, 0.0, 1.0]);
    let numbers = Column { range: Some((-2.0, 2.0)), ..Column::numbers(Vec::new(), vec![1.0, -2.0]) };
    let scaled = numbers.scaled(-4.0, true);
    assert_eq!((scaled.gather::<f64>(&[0, 1]), scaled.range), (vec![-0.25, 0.5], Some((-0.5, 0.5))));
    let bytes = Column::bytes(Vec::new(), vec![0, 51, 255], 1.0).scaled(255.0, true);
    assert_eq!((bytes.gather::<f64>(&[0, 1, 2]), bytes.range), (vec![0.0, 0.2, 1.0], Some((0.0, 1.0))));
}

#[test]
fn revealed_labels_are_as_many_as_asked() {
    let texts: Vec<String> = (0..90).map(|i| (i % 3).to_string()).collect();
    let column = Column::of_labels(Vec::new(), &texts);
    let rows: Vec<usize> = (0..60).collect();
    let few = reveal(&column, &rows, 10, true, 3).unwrap();
    let mut counts = [0; 3];
    for row in (0..90).filter(|&row| !few.is_absent(row, 0)) {
        assert!(row < 60, "only rows of the split are revealed");
        counts[few.value(row, 0) as usize] += 1;
    }
    assert_eq!(counts, [4, 3, 3]);
    assert_eq!(few, reveal(&column, &rows, 10, true, 3).unwrap());
    assert_ne!(few, reveal(&column, &rows, 10, true, 4).unwrap());
    assert_eq!(reveal(&column, &rows, 61, false, 3).unwrap_err().code().number(), "E0718");
    assert_eq!(reveal(&column, &rows, 61, true, 3).unwrap_err().code().number(), "E0718");
    let numbers = Column::numbers(Vec::new(), vec![0.0; 90]);
    assert_eq!(reveal(&numbers, &rows, 1, false, 3).unwrap_err().code().number(), "E0718");
}

#[test]
fn ragged_columns_keep_their_lengths() {
    let words = Column::numbers(Vec::new(), vec![1., 2., 3., 4., 5., 6.]).ragged(&[2, 3, 1]);
    let table = Table::from_columns(vec![("w".into(), words.clone())]).unwrap();
    assert_eq!(table.rows, 3);
    assert_eq!([2, 0].map(|row| words.length(row)), [1, 2]);
    assert_eq!(words.gather::<f64>(&[2, 0]), [6., 0., 0., 1., 2., 0.]);
    assert_eq!(words.gather_padded::<f64>(&[2], 4), [6., 0., 0., 0.]);
    assert_eq!((words.row_of(2), words.row_of(5), words.value(0, 2)), ((1, 0), (2, 0), 0.0));
    assert_eq!(words.select(&[2, 0]), Column::numbers(Vec::new(), vec![6., 1., 2.]).ragged(&[1, 2]));
    let labels = words.into_labels();
    assert_eq!(labels.labels.as_deref().unwrap().len(), 6, "padding is no label");
    assert_eq!(labels.labels_in(&[0, 2]), ["1", "2", "6"]);
    let short = Column { starts: Some(vec![0, 4]), ..Column::numbers(vec![3], vec![0.0; 4]) };
    assert_eq!(Table::from_columns(vec![("w".into(), short)]).unwrap_err().code().number(), "E0717");
}

#[test]
fn recoding_names_the_row_of_a_new_label() {
    let mut column = Column::of_labels(Vec::new(), &["b", "a", "c"]);
    let known = column.labels_in(&[0, 1]);
    assert_eq!(known, ["a", "b"]);
    let error = column.recode("k", &known, None).unwrap_err();
    assert_eq!((error.code().number(), error.to_string().contains("row 3")), ("E0706", true));
    column.absent = Some(vec![false, false, true]);
    column.recode("k", &known, None).unwrap();
    assert_eq!(column.gather::<f64>(&[0, 1]), [1.0, 0.0]);
}
