//! Data sets bound to a program: loaded or simulated, named as bindings say, with extents and labels told to the axes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::events::Failure;
use crate::base::id::Id;
use crate::data::{Column, DataError, Element, Locations, Source, Table, load, transform};
use crate::diag::{Code, Diagnostic, nearest};
use crate::model::{AxisId, AxisKind, Binding, Data, DataId, DataRef, DataSource, Domain, Program, Transform, VarId};
use crate::plan::{Plan, TrainPlan};

/// One bound column: where it is and what is done to it when a batch is gathered.
#[derive(Clone, Debug)]
struct BoundColumn {
    name: String,
    column: Arc<Column>,
    transform: Transform,
}

/// A data set with its bound columns.
#[derive(Clone, Debug, Default)]
struct BoundSet {
    columns: Vec<BoundColumn>,
    rows: usize,
    splits: Vec<(String, Vec<usize>)>,
    source: Option<Arc<Table>>,
}

/// Every data set of a program.
#[derive(Clone, Debug, Default)]
pub struct DataSets {
    sets: BTreeMap<DataId, BoundSet>,
}

/// The source that a reader's name and path stand for.
pub fn source_of(reader: &str, path: &str) -> Option<Source> {
    match reader {
        "dataset" => Some(Source::Dataset { name: path.to_string() }),
        "csv" => Some(Source::Csv { path: path.into() }),
        "tsv" => Some(Source::Tsv { path: path.into() }),
        "npy" => Some(Source::Npy { path: path.into() }),
        "npz" => Some(Source::Npz { path: path.into() }),
        "idx" => Some(Source::Idx { path: path.into() }),
        _ => None,
    }
}

/// Draws the rows of `data .. = sample(model, rows, seed)`.
pub type Simulate<'a> = dyn FnMut(&Program, DataId) -> Result<Table, Failure> + 'a;

/// Loads every data set, tells the program's axes their extents and labels, and binds columns.
/// Sets in `given` are taken from there; simulated ones are made by `simulate`, once the axes that files tell are known.
pub fn bind_data(
    program: &mut Program,
    locations: &Locations,
    given: &BTreeMap<String, Table>,
    simulate: &mut Simulate<'_>,
) -> Result<DataSets, Failure> {
    let mut sets = DataSets::default();
    let ids: Vec<DataId> = program.data.ids().collect();
    let order = ids
        .iter()
        .filter(|&&id| matches!(program.data[id].source, DataSource::Read { .. }))
        .chain(ids.iter().filter(|&&id| !matches!(program.data[id].source, DataSource::Read { .. })));
    for &id in order.collect::<Vec<_>>() {
        let declared = program.data[id].clone();
        if let (Some(table), false) = (given.get(&declared.name), matches!(declared.source, DataSource::Of(_))) {
            let set = bind_set(program, &declared, &Arc::new(table.clone()), None)?;
            sets.sets.insert(id, set);
            continue;
        }
        let set = match &declared.source {
            DataSource::Read { reader, path } => {
                let source = source_of(reader, path).ok_or_else(|| {
                    Diagnostic::at(Code::UnknownData, declared.span, format!("`{reader}` does not read data"))
                        .help("readers: dataset, csv, tsv, npy, npz, idx")
                })?;
                let table = Arc::new(load(&source, locations).map_err(|error| read_by(&error, &declared))?);
                bind_set(program, &declared, &table, None)?
            }
            DataSource::Sample { .. } => {
                let table = Arc::new(simulate(program, id)?);
                bind_set(program, &declared, &table, None)?
            }
            DataSource::Of(of) => {
                let parent = sets.sets.get(&of.data).cloned().unwrap_or_default();
                let rows = sets.rows(program, of)?;
                let table = parent.source.clone().unwrap_or_default();
                let mut set = bind_set(program, &declared, &table, Some(&parent))?;
                set.splits = vec![("rows".to_string(), rows)];
                set
            }
        };
        sets.sets.insert(id, set);
    }
    Ok(sets)
}

/// An error in the body of a file, with the declaration that reads it.
fn read_by(error: &DataError, declared: &Data) -> Failure {
    Failure::of_data(error, declared.span, format!("`{}` is read from it", declared.name))
}

/// An error in a column, with the declaration that it is bound by.
fn bound_by(error: &DataError, binding: &Binding) -> Failure {
    Failure::of_data(error, binding.span, format!("`{}` is bound to it", binding.name))
}

fn bind_set(
    program: &mut Program,
    declared: &Data,
    table: &Arc<Table>,
    parent: Option<&BoundSet>,
) -> Result<BoundSet, Failure> {
    let mut columns: Vec<BoundColumn> = parent.map(|p| p.columns.clone()).unwrap_or_default();
    let train: Vec<usize> = table.split("train").map(<[usize]>::to_vec).unwrap_or_else(|_| (0..table.rows).collect());
    for binding in &declared.bindings {
        let bound = bind_column(program, binding, table, &train)?;
        columns.retain(|c| c.name != bound.name);
        columns.push(bound);
    }
    if declared.bindings.is_empty() && parent.is_none() {
        // A simulated set without a body binds every variable it was drawn for.
        for (name, column) in &table.columns {
            let column = Arc::new(column.clone());
            columns.push(BoundColumn { name: name.clone(), column, transform: Transform::Plain });
        }
    }
    Ok(BoundSet { columns, rows: table.rows, splits: table.splits.clone(), source: Some(table.clone()) })
}

fn bind_column(
    program: &mut Program,
    binding: &Binding,
    table: &Table,
    train: &[usize],
) -> Result<BoundColumn, Failure> {
    let known: Vec<&str> = table.columns.iter().map(|(n, _)| n.as_str()).collect();
    let mut column = table
        .column(&binding.column)
        .map_err(|_| {
            let help = match nearest(&binding.column, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its columns are: {}", known.join(", ")),
            };
            Diagnostic::at(Code::UnknownColumn, binding.span, format!("the data has no column `{}`", binding.column))
                .help(help)
        })?
        .clone();
    if let Domain::Cat(axis) = binding.domain {
        let root = program.axes.root(axis);
        if !column.is_label() {
            column = column.into_labels();
        }
        let labels = match program.axes[root].labels.clone() {
            Some(labels) => labels,
            None => {
                let labels = column.labels_in(train);
                set_extent(program, root, labels.len(), binding)?;
                program.axes[root].labels = Some(labels.clone());
                labels
            }
        };
        set_extent(program, root, labels.len(), binding)?;
        column.recode(&binding.column, &labels).map_err(|error| bound_by(&error, binding))?;
    }
    if let Transform::Reveal { rows, balanced } = binding.transform {
        column = transform::reveal(&column, train, rows, balanced, 0).map_err(|error| bound_by(&error, binding))?;
    }
    if column.shape.len() != binding.axes.len() {
        return Err(Diagnostic::at(
            Code::ShapesDisagree,
            binding.span,
            format!(
                "`{}` is declared with {} axes, and the column `{}` has {}",
                binding.name,
                binding.axes.len(),
                binding.column,
                column.shape.len()
            ),
        )
        .help(format!("the column's shape within a row is {:?}", column.shape))
        .into());
    }
    for (i, (&axis, &extent)) in binding.axes.iter().zip(&column.shape).enumerate() {
        let root = program.axes.root(axis);
        if i == 0 && column.lengths.is_some() {
            program.axes[root].kind = AxisKind::Ragged;
        }
        set_extent(program, root, extent, binding)?;
    }
    check_support(binding, &column)?;
    Ok(BoundColumn { name: binding.name.clone(), column: Arc::new(column), transform: binding.transform.clone() })
}

fn partly_absent(program: &Program, on: &DataRef, var: VarId, row: usize) -> Failure {
    let name = &program.vars[var].name;
    Diagnostic::at(
        Code::NotSupported,
        on.span,
        format!(
            "`{name}` is absent in row {} while other values are there, and learning around that is not built yet",
            row + 1
        ),
    )
    .help("leave such rows out of the file, or bind only columns that are complete")
    .into()
}

fn set_extent(program: &mut Program, axis: AxisId, extent: usize, binding: &Binding) -> Result<(), Failure> {
    match program.axes[axis].extent {
        None => program.axes[axis].extent = Some(extent),
        Some(known) if known == extent => {}
        Some(known) => {
            let name = program.axes[axis].name.clone();
            return Err(Diagnostic::at(
                Code::ShapesDisagree,
                binding.span,
                format!("`{name}` has extent {known}, and the column `{}` makes it {extent}", binding.column),
            )
            .label(program.axes[axis].span, "declared here")
            .help(format!("leave the size of `{name}` to the data, or bind another column"))
            .into());
        }
    }
    Ok(())
}

/// Every value must lie where its domain says, after the transform.
fn check_support(binding: &Binding, column: &Column) -> Result<(), Failure> {
    let wanted = match (&binding.transform, &binding.domain) {
        (Transform::Soft | Transform::Binarise, _) | (Transform::Plain, Domain::Unit) => "a number from 0 to 1",
        (Transform::Plain, Domain::Bool) => "0 or 1",
        (Transform::Plain, Domain::Spin) => "-1 or 1",
        (Transform::Plain, Domain::Positive) => "a positive number",
        (Transform::Plain, Domain::Count) => "a whole number from 0",
        _ => return Ok(()),
    };
    let fits = |v: f64| match wanted {
        "a number from 0 to 1" => (0.0..=1.0).contains(&v),
        "0 or 1" => v == 0.0 || v == 1.0,
        "-1 or 1" => v == -1.0 || v == 1.0,
        "a positive number" => v > 0.0,
        _ => v >= 0.0 && v.fract() == 0.0,
    };
    let width = column.width().max(1);
    let absent = |i: usize| column.absent.as_ref().is_some_and(|a| a[i]);
    match (0..column.values.len()).find(|&i| !absent(i) && !fits(column.values.get(i))) {
        None => Ok(()),
        Some(i) => {
            let value = column.values.get(i);
            let help = match binding.domain {
                Domain::Bool if (0.0..=1.0).contains(&value) => {
                    format!("for grey values write `soft({0})`, `binarise({0})` or `{0} > 0.5`", binding.column)
                }
                Domain::Bool => format!("write `{} > 0.5`, with the threshold you mean", binding.column),
                _ => "declare another domain, or mend the data".to_string(),
            };
            Err(Diagnostic::at(
                Code::BadValue,
                binding.span,
                format!("row {} of `{}` holds {value}, and {wanted} is wanted", i / width + 1, binding.column),
            )
            .help(help)
            .into())
        }
    }
}

impl DataSets {
    /// The rows of a data set or of one of its splits.
    pub fn rows(&self, program: &Program, of: &DataRef) -> Result<Vec<usize>, Failure> {
        let Some(set) = self.sets.get(&of.data) else { return Ok(Vec::new()) };
        let rows = match &of.split {
            None => match set.splits.iter().find(|(n, _)| n == "rows") {
                Some((_, rows)) => rows.clone(),
                None => (0..set.rows).collect(),
            },
            Some(split) => match set.splits.iter().find(|(n, _)| n == split) {
                Some((_, rows)) => rows.clone(),
                None => {
                    let known: Vec<&str> = set.splits.iter().map(|(n, _)| n.as_str()).collect();
                    let name = &program.data[of.data].name;
                    return Err(Diagnostic::at(
                        Code::UnknownSplit,
                        of.span,
                        format!("`{name}` has no split `{split}`"),
                    )
                    .help(format!("its splits are: {}", known.join(", ")))
                    .into());
                }
            },
        };
        match rows.is_empty() {
            true => Err(Diagnostic::at(Code::BadValue, of.span, "this data has no rows")
                .help("look at the file: nothing can be learned from nothing")
                .into()),
            false => Ok(rows),
        }
    }

    /// The rows that say something about the variables that are not given: a row in which all of these are absent says
    /// nothing and is left out. A row in which some are absent needs an engine that sums over them.
    pub fn telling_rows(&self, program: &Program, on: &DataRef, vars: &[VarId]) -> Result<Vec<usize>, Failure> {
        let rows = self.rows(program, on)?;
        let Some(set) = self.sets.get(&on.data) else { return Ok(rows) };
        let columns: Vec<(VarId, &BoundColumn)> = vars
            .iter()
            .filter_map(|&v| Some((v, set.columns.iter().find(|c| c.name == program.vars[v].name)?)))
            .filter(|(_, c)| c.column.absent.is_some())
            .collect();
        if columns.is_empty() {
            return Ok(rows);
        }
        let scored = vars.iter().filter(|&&v| !program.vars[v].given).count();
        let mut telling = Vec::new();
        for &row in &rows {
            let mut absent = 0;
            for (var, bound) in &columns {
                let missing = (0..bound.column.width()).filter(|&i| bound.column.is_absent(row, i)).count();
                let whole = missing == bound.column.width() && !program.vars[*var].given;
                if missing > 0 && !whole {
                    return Err(partly_absent(program, on, *var, row));
                }
                absent += usize::from(missing > 0);
            }
            match absent {
                0 => telling.push(row),
                n if n == scored => {}
                _ => return Err(partly_absent(program, on, columns[0].0, row)),
            }
        }
        match telling.is_empty() {
            true => Err(Diagnostic::at(Code::BadValue, on.span, "every row of this data has its values absent")
                .help("look at the file, or at what `reveal` keeps")
                .into()),
            false => Ok(telling),
        }
    }

    /// The bound variables of a training plan that its data has columns for.
    pub fn inputs_of(&self, program: &Program, train: &TrainPlan) -> Vec<VarId> {
        train.bound.iter().copied().filter(|&v| self.binds(train.on.data, &program.vars[v].name)).collect()
    }

    /// Errors: some training of the plan has no row to learn from, or rows it cannot learn from; early stopping has no row to watch.
    pub fn verify_rows(&self, program: &Program, plan: &Plan) -> Result<(), Failure> {
        for train in &plan.trains {
            self.telling_rows(program, &train.on, &self.inputs_of(program, train))?;
            for (_, on) in train.stages.iter().filter_map(|stage| stage.patience.as_ref()) {
                self.rows(program, on)?;
            }
        }
        Ok(())
    }

    /// A number that changes when any bound value does: a run goes on from a checkpoint only on the data it began with.
    pub fn digest(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut fold = |word: u64| hash = (hash ^ word).wrapping_mul(0x100_0000_01b3);
        // Each list goes with its length, so that nothing moves unseen from one to the next.
        fn list<I: ExactSizeIterator<Item = u64>>(words: I, fold: &mut dyn FnMut(u64)) {
            fold(words.len() as u64);
            words.for_each(fold);
        }
        let text = |text: &str, fold: &mut dyn FnMut(u64)| list(text.bytes().map(u64::from), fold);
        for set in self.sets.values() {
            fold(set.rows as u64);
            for (name, rows) in &set.splits {
                text(name, &mut fold);
                list(rows.iter().map(|&r| r as u64), &mut fold);
            }
            for bound in &set.columns {
                let column = &bound.column;
                text(&bound.name, &mut fold);
                list((0..column.values.len()).map(|i| column.values.get(i).to_bits()), &mut fold);
                list(column.absent.iter().flatten().map(|&a| u64::from(a)).collect::<Vec<_>>().into_iter(), &mut fold);
                list(column.lengths.iter().flatten().map(|&n| n as u64).collect::<Vec<_>>().into_iter(), &mut fold);
                for label in column.labels.iter().flatten() {
                    text(label, &mut fold);
                }
            }
        }
        hash
    }

    /// Which of a variable's entries are absent in a row; nothing where its column is complete or it is not bound.
    pub fn absent(&self, program: &Program, data: DataId, var: VarId, row: usize) -> Option<Vec<bool>> {
        let set = self.sets.get(&data)?;
        let bound = set.columns.iter().find(|c| c.name == program.vars[var].name)?;
        let width = bound.column.width();
        bound.column.absent.as_ref().map(|mask| mask[row * width..(row + 1) * width].to_vec())
    }

    /// Whether a data set binds a variable of that name.
    pub fn binds(&self, data: DataId, name: &str) -> bool {
        self.sets.get(&data).is_some_and(|s| s.columns.iter().any(|c| c.name == name))
    }

    /// A variable's values at some rows, `[row, axes]`, states as codes; transforms that draw depend on seed and epoch.
    pub fn gather<T: Element + PartialOrd + Into<f64>>(
        &self,
        program: &Program,
        data: DataId,
        var: VarId,
        rows: &[usize],
        seed: u64,
        epoch: u64,
    ) -> Option<Vec<T>> {
        let set = self.sets.get(&data)?;
        let bound = set.columns.iter().find(|c| c.name == program.vars[var].name)?;
        let mut values = bound.column.gather::<T>(rows);
        match bound.transform {
            Transform::Plain | Transform::Soft | Transform::Reveal { .. } | Transform::Computed(_) => {}
            Transform::Above(cut) => transform::threshold(&mut values, T::of(cut)),
            Transform::Binarise => {
                let site = 0xda7a_1000 + var.index() as u32;
                transform::binarise(&mut values, rows, bound.column.width(), seed, site, epoch);
            }
        }
        Some(values)
    }

    /// The lengths of some rows along their ragged axis, as a variable's column tells them.
    pub fn lengths<T: Element>(&self, program: &Program, data: DataId, var: VarId, rows: &[usize]) -> Option<Vec<T>> {
        let set = self.sets.get(&data)?;
        let bound = set.columns.iter().find(|c| c.name == program.vars[var].name)?;
        let lengths = bound.column.gather_lengths(rows)?;
        Some(lengths.into_iter().map(|n| T::of(n as f64)).collect())
    }
}
