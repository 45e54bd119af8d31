//! Programs over tables against summing by hand: thousands of small random products, and reference answers where they are kept.

use ghmc::base::stream::Stream;
use ghmc::table::{Options, Program, Table, TableError, Tables};

/// A random product: loops, zeros, deterministic rows, axes of one state, parts that do not touch, tables of no axis.
pub fn random(seed: u64) -> Tables {
    let mut s = Stream::new(seed, 1, 2, 3);
    let axes = 1 + s.below(8) as usize;
    let mut cards: Vec<usize> = (0..axes).map(|_| [1, 2, 2, 3, 4][s.below(5) as usize]).collect();
    while cards.iter().product::<usize>() > 4000 {
        cards.pop();
    }
    let axes = cards.len();
    let mut tables = Vec::new();
    let directed = s.below(2) == 0;
    let count = if directed { axes } else { s.below(2 * axes as u32 + 1) as usize };
    let zeros = [0.0, 0.0, 0.3, 0.7][s.below(4) as usize];
    for t in 0..count {
        let mut scope: Vec<usize> = (0..if directed { t } else { axes }).collect();
        s.shuffle(&mut scope);
        scope.truncate(s.below(4) as usize);
        if directed {
            scope.push(t);
        }
        let cells: usize = scope.iter().map(|&a| cards[a]).product();
        let scale = [1.0, 1.0, 1e-200, 1e150][if directed { 0 } else { s.below(4) as usize }];
        let mut values: Vec<f64> =
            (0..cells).map(|_| if s.uniform() < zeros { 0.0 } else { scale * (0.05 + s.uniform()) }).collect();
        if directed {
            let certain = s.below(4) == 0;
            for row in values.chunks_mut(cards[t]) {
                if certain || row.iter().sum::<f64>() == 0.0 {
                    row.fill(0.0);
                    row[s.below(cards[t] as u32) as usize] = 1.0;
                }
                let total: f64 = row.iter().sum();
                row.iter_mut().for_each(|x| *x /= total);
            }
            // A promise may be made or kept to oneself.
            match s.below(4) {
                0 => tables.push(Table::new(scope, values)),
                _ => tables.push(Table::conditional(scope, values, t)),
            }
        } else {
            tables.push(Table::new(scope, values));
        }
    }
    Tables { cards, tables }
}

/// All joint states that agree with the fixed values, each with the logarithm of its product.
pub fn joint_states(tables: &Tables, fixed: &[usize], values: &[usize]) -> Vec<(Vec<usize>, f64)> {
    let mut all = vec![vec![]];
    for (axis, &card) in tables.cards.iter().enumerate() {
        let states: Vec<usize> = match fixed.iter().position(|&a| a == axis) {
            Some(at) => vec![values[at]],
            None => (0..card).collect(),
        };
        all = all.iter().flat_map(|x: &Vec<usize>| states.iter().map(|&s| [&x[..], &[s]].concat())).collect();
    }
    all.into_iter()
        .map(|x| {
            let score = tables.score(&x).expect("a joint state");
            (x, score)
        })
        .collect()
}

/// Logarithm of the sum, and every axis's normalised marginal.
pub fn by_hand(states: &[(Vec<usize>, f64)], cards: &[usize]) -> (f64, Vec<Vec<f64>>) {
    let top = states.iter().map(|s| s.1).fold(f64::NEG_INFINITY, f64::max);
    let weight = |score: f64| if top == f64::NEG_INFINITY { 0.0 } else { (score - top).exp() };
    let total: f64 = states.iter().map(|s| weight(s.1)).sum();
    let mut marginals: Vec<Vec<f64>> = cards.iter().map(|&c| vec![0.0; c]).collect();
    for (x, score) in states {
        for (marginal, &value) in marginals.iter_mut().zip(x) {
            marginal[value] += weight(*score) / total;
        }
    }
    (if total > 0.0 { top + total.ln() } else { f64::NEG_INFINITY }, marginals)
}

pub fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-9 * (1.0 + b.abs())
}

pub fn same(found: Option<&[f64]>, wanted: &[f64], what: &str) {
    let found = found.unwrap_or_else(|| panic!("{what}: no marginal"));
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (a, b) in found.iter().zip(wanted) {
        assert!((a - b).abs() < 1e-11, "{what}: {found:?} instead of {wanted:?}");
    }
}

/// Fixed axes and values for them, some of them impossible.
pub fn fixing(seed: u64, cards: &[usize]) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
    let mut s = Stream::new(seed, 5, 6, 7);
    let mut fixed: Vec<usize> = (0..cards.len()).collect();
    s.shuffle(&mut fixed);
    fixed.truncate(s.below(1 + cards.len() as u32 / 2) as usize);
    let mut value = |a: &usize| s.below(cards[*a] as u32) as usize;
    let values = fixed.iter().map(&mut value).collect();
    let others = fixed.iter().map(&mut value).collect();
    (fixed, values, others)
}

#[test]
fn sums_and_marginals_are_those_by_hand() {
    let mut impossible = 0;
    for seed in 0..4000 {
        let tables = random(seed);
        tables.check().expect("well-formed tables");
        let (fixed, values, others) = fixing(seed, &tables.cards);
        let program = Program::compile(&tables, &fixed, &Options::default()).expect("a program");
        let mut state = program.load(&tables, &values).expect("a state");
        for values in [&values, &others, &values] {
            let (log, marginals) = by_hand(&joint_states(&tables, &fixed, values), &tables.cards);
            state.revalue(&tables, values).expect("values in range");
            let found = state.propagate().expect("numbers");
            assert!(close(found, log), "seed {seed}: {found} instead of {log}");
            impossible += usize::from(log == f64::NEG_INFINITY);
            for axis in (0..tables.cards.len()).filter(|a| !fixed.contains(a)) {
                match log == f64::NEG_INFINITY {
                    true => assert_eq!(state.marginal(axis), None),
                    false => same(state.marginal(axis), &marginals[axis], &format!("seed {seed} axis {axis}")),
                }
            }
        }
        let run = program.run(&tables, &values).expect("a run");
        assert_eq!(run.log_partition.to_bits(), state.propagate().expect("numbers").to_bits());
    }
    assert!(impossible > 100, "{impossible}");
}

#[test]
fn wanted_axes_and_sets_are_those_by_hand() {
    for seed in 0..1500 {
        let tables = random(seed);
        let (fixed, values, _) = fixing(seed, &tables.cards);
        let open: Vec<usize> = (0..tables.cards.len()).filter(|a| !fixed.contains(a)).collect();
        let mut s = Stream::new(seed, 8, 8, 8);
        let mut set = open.clone();
        s.shuffle(&mut set);
        let wanted: Vec<usize> = set.iter().copied().take(1).collect();
        set.truncate(3);
        let options = Options { wanted: Some(wanted.clone()), together: vec![set.clone()], ..Options::default() };
        let program = Program::compile(&tables, &fixed, &options).expect("a program");
        let mut state = program.load(&tables, &values).expect("a state");
        let states = joint_states(&tables, &fixed, &values);
        let (log, marginals) = by_hand(&states, &tables.cards);
        assert!(close(state.propagate().expect("numbers"), log), "seed {seed}");
        if log == f64::NEG_INFINITY {
            assert_eq!(state.joint(&set), None);
            continue;
        }
        for &axis in &wanted {
            same(state.marginal(axis), &marginals[axis], &format!("seed {seed}"));
        }
        let mut joint = vec![0.0; set.iter().map(|&a| tables.cards[a]).product()];
        for (x, score) in &states {
            joint[set.iter().fold(0, |at, &a| at * tables.cards[a] + x[a])] += (score - log).exp();
        }
        if set.iter().any(|&a| tables.cards[a] > 1) {
            same(state.joint(&set), &joint, &format!("seed {seed} {set:?}"));
        }
    }
}

#[test]
fn maxima_are_attained_and_nothing_is_larger() {
    for seed in 0..2000 {
        let tables = random(seed);
        let (fixed, values, _) = fixing(seed, &tables.cards);
        let options = Options { maximisable: true, ..Options::default() };
        let program = Program::compile(&tables, &fixed, &options).expect("a program");
        let mut state = program.load(&tables, &values).expect("a state");
        let states = joint_states(&tables, &fixed, &values);
        let top = states.iter().map(|s| s.1).fold(f64::NEG_INFINITY, f64::max);
        let (log, _) = by_hand(&states, &tables.cards);
        // Sums before and after a pass of maxima are the same.
        let before = state.propagate().expect("numbers");
        match state.maximum() {
            Ok(best) => {
                assert!(close(best.score, top), "seed {seed}: {} instead of {top}", best.score);
                assert!(close(tables.score(&best.states).expect("states"), top), "seed {seed}");
                assert!(fixed.iter().zip(&values).all(|(&a, &v)| best.states[a] == v));
            }
            Err(e) => assert_eq!((e, top), (TableError::Impossible, f64::NEG_INFINITY)),
        }
        let after = state.propagate().expect("numbers");
        assert!(before.to_bits() == after.to_bits() && close(after, log), "seed {seed}");
    }
}

#[test]
fn weights_are_one_more_factor() {
    for seed in 0..1500 {
        let mut tables = random(seed);
        let options = Options { weighable: true, ..Options::default() };
        let program = Program::compile(&tables, &[], &options).expect("a program");
        let original = tables.clone();
        let mut state = program.load(&original, &[]).expect("a state");
        let mut s = Stream::new(seed, 9, 9, 9);
        for round in 0..3 {
            let axis = s.below(tables.cards.len() as u32) as usize;
            let card = tables.cards[axis];
            if card == 1 {
                continue;
            }
            if round == 2 {
                state.unweigh();
                tables = original.clone();
            }
            let weights: Vec<f64> = (0..card).map(|_| if s.below(3) == 0 { 0.0 } else { s.uniform() }).collect();
            state.weigh(axis, &weights).expect("weights");
            tables.tables.retain(|t| t.axes != [axis] || original.tables.contains(t));
            tables.tables.push(Table::new(vec![axis], weights));
            let (log, marginals) = by_hand(&joint_states(&tables, &[], &[]), &tables.cards);
            let found = state.propagate().expect("numbers");
            assert!(close(found, log), "seed {seed}: {found} instead of {log}");
            if log > f64::NEG_INFINITY {
                for axis in 0..tables.cards.len() {
                    same(state.marginal(axis), &marginals[axis], &format!("seed {seed} axis {axis}"));
                }
            }
        }
    }
}

#[test]
fn draws_have_the_marginals() {
    for seed in [3, 11, 20] {
        let tables = random(seed);
        let program = Program::compile(&tables, &[], &Options::default()).expect("a program");
        let mut state = program.load(&tables, &[]).expect("a state");
        if state.propagate().expect("numbers") == f64::NEG_INFINITY {
            continue;
        }
        let draws = state.draw(7, 20_000).expect("draws");
        assert_eq!(draws[..50], state.draw(7, 50).expect("draws"));
        for axis in 0..tables.cards.len() {
            for (value, &p) in state.marginal(axis).expect("a marginal").iter().enumerate() {
                let share = draws.iter().filter(|x| x[axis] == value).count() as f64 / 20_000.0;
                assert!((share - p).abs() <= 5.0 * (p * (1.0 - p) / 20_000.0).sqrt(), "seed {seed}: {share} {p}");
            }
        }
    }
}

/// A grid of pairs, wide enough that its clusters are streamed.
pub fn grid(rows: usize, columns: usize, card: usize, seed: u64) -> Tables {
    let mut s = Stream::new(seed, 0, 0, 0);
    let mut tables = Tables { cards: vec![card; rows * columns], tables: vec![] };
    let mut add = |axes: Vec<usize>| {
        let cells =
            (0..card.pow(axes.len() as u32)).map(|_| if s.below(40) == 0 { 0.0 } else { s.uniform() }).collect();
        tables.tables.push(Table::new(axes, cells));
    };
    for i in 0..rows {
        for j in 0..columns {
            let at = i * columns + j;
            add(vec![at]);
            if j + 1 < columns {
                add(vec![at, at + 1]);
            }
            if i + 1 < rows {
                add(vec![at + columns, at]);
            }
        }
    }
    tables
}

/// The same sum a column of the grid at a time, in logarithms, by the definition.
fn by_columns(tables: &Tables, rows: usize, columns: usize, card: usize) -> f64 {
    let states = card.pow(rows as u32);
    let digit = |x: usize, i: usize| x / card.pow(i as u32) % card;
    let mut log = vec![0.0; states];
    for j in 0..columns {
        let mut next = vec![f64::NEG_INFINITY; states];
        for (x, next) in next.iter_mut().enumerate() {
            let value = |a: usize, before: usize| match a % columns {
                c if c == j => Some(digit(x, a / columns)),
                c if c + 1 == j => Some(digit(before, a / columns)),
                _ => None,
            };
            let mut terms = Vec::new();
            for before in 0..if j == 0 { 1 } else { states } {
                let mut score = if j == 0 { 0.0 } else { log[before] };
                for t in tables.tables.iter().filter(|t| t.axes.iter().map(|a| a % columns).max() == Some(j)) {
                    let at = t.axes.iter().try_fold(0, |at, &a| value(a, before).map(|v| at * card + v));
                    score += at.map_or(0.0, |at| t.cells[at].ln());
                }
                terms.push(score);
            }
            let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if top > f64::NEG_INFINITY {
                *next = top + terms.iter().map(|t| (t - top).exp()).sum::<f64>().ln();
            }
        }
        log = next;
    }
    let top = log.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + log.iter().map(|t| (t - top).exp()).sum::<f64>().ln()
}

#[test]
fn streamed_clusters_agree_with_stored_ones_and_with_columns() {
    for (rows, columns, card, seed) in [(5, 6, 4, 1), (4, 5, 5, 2), (9, 12, 2, 3), (3, 7, 12, 4)] {
        let tables = grid(rows, columns, card, seed);
        let options = Options { weighable: true, maximisable: true, ..Options::default() };
        let program = Program::compile(&tables, &[], &options).expect("a program");
        assert!(program.forecast().largest_cells > 1024.0);
        let mut state = program.load(&tables, &[]).expect("a state");
        let log = state.propagate().expect("numbers");
        if card.pow(rows as u32) <= 625 {
            let wanted = by_columns(&tables, rows, columns, card);
            assert!(close(log, wanted), "{log} instead of {wanted}");
        }
        // The law of total probability over one axis, and each marginal from the sums that fix it.
        for axis in [0, rows * columns / 2, rows * columns - 1] {
            let fixed = Program::compile(&tables, &[axis], &Options::default()).expect("a program");
            let marginal = state.marginal(axis).expect("a marginal").to_vec();
            for (value, &p) in marginal.iter().enumerate() {
                let part = fixed.run(&tables, &[value]).expect("a run").log_partition;
                assert!((p - (part - log).exp()).abs() < 1e-10, "{p} {part} {log}");
                let mut weighed = program.load(&tables, &[]).expect("a state");
                weighed.observe(axis, value).expect("an observation");
                assert!(close(weighed.propagate().expect("numbers"), part));
            }
        }
        // No draw and no single change beats the maximum.
        let best = state.maximum().expect("a maximum");
        assert!(close(tables.score(&best.states).expect("states"), best.score));
        for draw in state.draw(5, 50).expect("draws") {
            let score = tables.score(&draw).expect("states");
            assert!(score > f64::NEG_INFINITY && score <= best.score + 1e-9);
        }
        for axis in 0..rows * columns {
            for value in 0..card {
                let mut near = best.states.clone();
                near[axis] = value;
                assert!(tables.score(&near).expect("states") <= best.score + 1e-9);
            }
        }
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let tables = grid(9, 12, 2, 8);
    let program = Program::compile(&tables, &[3], &Options::default()).expect("a program");
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| program.run(&tables, &[1]).expect("a run"))
    };
    let one = run(1);
    for threads in [2, 7] {
        let more = run(threads);
        assert_eq!(one.log_partition.to_bits(), more.log_partition.to_bits());
        assert_eq!(one.marginals, more.marginals);
    }
}

#[test]
fn nothing_underflows() {
    // A class with two thousand features, half of them for one state and half for the other, and a long chain.
    let features = 2000;
    let mut tables = Tables { cards: vec![2; features + 1], tables: vec![] };
    for f in 0..features {
        let (a, b) = if f % 2 == 0 { (1e-3, 0.5) } else { (0.5, 1e-3) };
        tables.tables.push(Table::conditional(vec![0, f + 1], vec![a, 1.0 - a, b, 1.0 - b], f + 1));
    }
    let log = features as f64 / 2.0 * (1e-3f64.ln() + 0.5f64.ln());
    let fixed: Vec<usize> = (1..=features).collect();
    let program = Program::compile(&tables, &fixed, &Options::default()).expect("a program");
    let answer = program.run(&tables, &vec![0; features]).expect("a run");
    assert!(close(answer.log_partition, log + 2f64.ln()), "{}", answer.log_partition);
    same(answer.marginals[0].as_deref(), &[0.5, 0.5], "the class");
    let program =
        Program::compile(&tables, &[], &Options { weighable: true, ..Options::default() }).expect("a program");
    let mut state = program.load(&tables, &[]).expect("a state");
    for f in 0..features {
        state.observe(f + 1, 0).expect("an observation");
    }
    assert!(close(state.propagate().expect("numbers"), log + 2f64.ln()));
    same(state.marginal(0), &[0.5, 0.5], "the class");
}

#[test]
fn what_does_not_fit_is_refused_before_memory_is_taken() {
    let tables = grid(40, 40, 3, 1);
    let refused = Program::compile(&tables, &[], &Options::default());
    assert!(
        matches!(&refused, Err(TableError::TooLarge { axes, bytes, .. }) if axes.len() > 20 && *bytes > 1e9),
        "{refused:?}"
    );
    let small = grid(6, 6, 3, 1);
    let forecast = Program::compile(&small, &[], &Options::default()).expect("a program").forecast().clone();
    let tight = Options { bytes: forecast.bytes as u64 - 1, ..Options::default() };
    assert!(matches!(Program::compile(&small, &[], &tight), Err(TableError::TooLarge { .. })));
    let hasty = Options { flops: forecast.flops / 2.0, ..Options::default() };
    assert!(matches!(Program::compile(&small, &[], &hasty), Err(TableError::TooLong { .. })));
}

#[test]
fn misfits_are_named() {
    let table = |axes: Vec<usize>, cells: Vec<f64>| Tables { cards: vec![2, 3], tables: vec![Table::new(axes, cells)] };
    for (tables, fixed, word) in [
        (table(vec![2], vec![]), vec![], "axis 2"),
        (table(vec![0, 0], vec![1.0; 4]), vec![], "twice"),
        (table(vec![0, 1], vec![1.0; 5]), vec![], "5 cells"),
        (table(vec![0], vec![1.0; 2]), vec![9], "axis 9"),
        (Tables { cards: vec![0], tables: vec![] }, vec![], "size 0"),
    ] {
        let error = Program::compile(&tables, &fixed, &Options::default()).expect_err("a misfit").to_string();
        assert!(error.contains(word), "{error}");
    }
    assert!(table(vec![0], vec![1.0, f64::NAN]).check().is_err());
    let nan = table(vec![0], vec![1.0, f64::NAN]);
    let program = Program::compile(&nan, &[], &Options::default()).expect("a program");
    assert!(program.run(&nan, &[]).is_err());
    let good = table(vec![0], vec![1.0, 2.0]);
    let program = Program::compile(&good, &[1], &Options::default()).expect("a program");
    assert!(program.load(&good, &[3]).is_err() && program.load(&good, &[]).is_err());
    let mut state = program.load(&good, &[2]).expect("a state");
    assert!(state.weigh(0, &[1.0, 1.0]).is_err() && state.maximum().is_err());
}

/// The words of a file, unpacked if it is only there as `.gz`.
fn words(path: &std::path::Path) -> Option<Vec<String>> {
    use std::io::Read;
    let mut text = String::new();
    let packed = std::path::PathBuf::from(format!("{}.gz", path.display()));
    match (std::fs::File::open(path), std::fs::File::open(packed)) {
        (Ok(mut file), _) => file.read_to_string(&mut text).ok()?,
        (_, Ok(file)) => flate2::read::GzDecoder::new(file).read_to_string(&mut text).ok()?,
        _ => return None,
    };
    Some(text.split_ascii_whitespace().map(str::to_string).collect())
}

/// The numbers of a `.uai` file as tables, and the observations beside it.
fn instance(folder: &std::path::Path, name: &str) -> Option<(Tables, Vec<usize>, Vec<usize>)> {
    let words = words(&folder.join(format!("{name}.uai")))?;
    let mut words = words[1..].iter();
    let mut whole = || words.next().and_then(|w| w.parse::<usize>().ok());
    let axes = whole()?;
    let cards: Vec<usize> = (0..axes).map(|_| whole()).collect::<Option<_>>()?;
    let scopes: Vec<Vec<usize>> =
        (0..whole()?).map(|_| (0..whole()?).map(|_| whole()).collect()).collect::<Option<_>>()?;
    let mut tables = Vec::new();
    for scope in scopes {
        let cells: usize = words.next()?.parse().ok()?;
        let cells = (0..cells).map(|_| words.next()?.parse().ok()).collect::<Option<_>>()?;
        tables.push(Table::new(scope, cells));
    }
    let seen = self::words(&folder.join(format!("{name}.uai.evid"))).unwrap_or_default();
    let seen: Vec<usize> = seen.iter().map(|w| w.parse().ok()).collect::<Option<_>>()?;
    // With or without the number of samples before the number of observations.
    let pairs = match seen.as_slice() {
        [n, pairs @ ..] if pairs.len() == 2 * n => pairs,
        [1, n, pairs @ ..] if pairs.len() == 2 * n => pairs,
        _ => &[],
    };
    let column = |k: usize| pairs.iter().skip(k).step_by(2).copied().collect();
    Some((Tables { cards, tables }, column(0), column(1)))
}

/// Published instances keep their six-digit sums beside them, where `GHM_DATA` says.
#[test]
fn published_sums_come_out() {
    let Some(folder) = std::env::var_os("GHM_DATA").map(|d| std::path::PathBuf::from(d).join("uai")) else {
        eprintln!("skipped: the instances lie where GHM_DATA says, and it says nothing");
        return;
    };
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .expect("a folder of instances")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".uai.PR").map(str::to_string))
        .collect();
    names.sort();
    let mut answered = 0;
    for name in names {
        let (tables, fixed, values) = instance(&folder, &name).expect("an instance");
        // What is kept for a dev build's patience; larger ones are refused, with their reason.
        let options = Options { flops: 4e8, ..Options::default() };
        let program = match Program::compile(&tables, &fixed, &options) {
            Ok(program) => program,
            Err(e) => {
                assert!(matches!(e, TableError::TooLarge { .. } | TableError::TooLong { .. }), "{name}: {e}");
                continue;
            }
        };
        let sum = program.run(&tables, &values).expect("a run").log_partition / std::f64::consts::LN_10;
        let words = words(&folder.join(format!("{name}.uai.PR"))).expect("an answer");
        let published: f64 = words[words.len() - 1].parse().expect("a number");
        assert!((sum - published).abs() < 1e-5 * published.abs().max(1.0), "{name}: {sum}, published {published}");
        answered += 1;
    }
    assert!(answered > 10, "{answered}");
}

#[test]
fn narrowed_tables_answer_as_the_given_ones() {
    let (mut smaller, mut impossible) = (0, 0);
    for seed in 0..2000 {
        let tables = random(seed);
        let (fixed, values, _) = fixing(seed, &tables.cards);
        let states = joint_states(&tables, &fixed, &values);
        let (log, marginals) = by_hand(&states, &tables.cards);
        let narrowed = match tables.narrowed(&fixed, &values) {
            Ok(narrowed) => narrowed,
            Err(e) => {
                assert_eq!((e, log), (TableError::Impossible, f64::NEG_INFINITY), "seed {seed}");
                impossible += 1;
                continue;
            }
        };
        let open = |a: &usize| !fixed.contains(a);
        smaller +=
            usize::from((0..tables.cards.len()).filter(open).any(|a| narrowed.tables.cards[a] < tables.cards[a]));
        let found = narrowed.run(&Options::default()).expect("answers");
        assert!(close(found.log_partition, log), "seed {seed}: {} instead of {log}", found.log_partition);
        if log > f64::NEG_INFINITY {
            for axis in (0..tables.cards.len()).filter(open) {
                same(found.marginals[axis].as_deref(), &marginals[axis], &format!("seed {seed} axis {axis}"));
            }
            let options = Options { maximisable: true, ..Options::default() };
            let program = Program::compile(&narrowed.tables, &[], &options).expect("a program");
            let best = program.load(&narrowed.tables, &[]).expect("a state").maximum().expect("a maximum");
            let score = tables.score(&narrowed.restore(&best.states)).expect("states");
            let top = states.iter().map(|s| s.1).fold(f64::NEG_INFINITY, f64::max);
            assert!(close(score, top), "seed {seed}");
        }
    }
    assert!(smaller > 300 && impossible > 20, "{smaller} {impossible}");
}
