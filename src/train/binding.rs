//! Data sets bound to a program: loaded or simulated, named as bindings say, with extents and labels told to the axes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::events::Failure;
use crate::base::id::Id;
use crate::base::span::Span;
use crate::data::{
    Column, DataError, Element, Locations, Source, TRUTHS, TURNS, Table, Want, Wants, load_as, transform, truth, turn,
};
use crate::diag::{Code, Diagnostic, nearest};
use crate::model::{
    AxisId, AxisKind, Binding, Data, DataId, DataRef, DataSource, Domain, Program, Scale, Transform, VarId,
};
use crate::plan::{Plan, TrainPlan};

/// The state that words of `Text` get which training never showed.
const UNKNOWN: &str = "<unk>";

/// One bound column: where it is and what is done to it when a batch is gathered.
#[derive(Clone, Debug)]
struct BoundColumn {
    name: String,
    column: Arc<Column>,
    transform: Transform,
    /// The binding's place, where there is one.
    span: Option<Span>,
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

/// The source that a reader's name and path stand for; the names are those of the columns of a file without names.
pub fn source_of(reader: &str, path: &str, columns: &[String]) -> Option<Source> {
    match reader {
        "dataset" => Some(Source::Dataset { name: path.to_string() }),
        "csv" => Some(Source::Csv { path: path.into() }),
        "tsv" => Some(Source::Tsv { path: path.into() }),
        "npy" => Some(Source::Npy { path: path.into() }),
        "npz" => Some(Source::Npz { path: path.into() }),
        "idx" => Some(Source::Idx { path: path.into() }),
        "columns" => Some(Source::Columns { path: path.into(), names: columns.to_vec() }),
        "text" => Some(Source::Text { path: path.into() }),
        "jsonl" => Some(Source::Jsonl { path: path.into() }),
        "wav" => Some(Source::Wav { path: path.into() }),
        _ => None,
    }
}

/// Draws the rows of `data .. = sample(model, rows, seed)`; the sets before it are bound.
pub type Simulate<'a> = dyn FnMut(&Program, DataId, &DataSets) -> Result<Table, Failure> + 'a;

/// Loads every data set, tells the program's axes their extents and labels, and binds columns.
/// Sets in `given` are taken from there; simulated ones are made by `simulate`, once the axes that files tell are known.
pub fn bind_data(
    program: &mut Program,
    locations: &Locations,
    given: &BTreeMap<String, Table>,
    simulate: &mut Simulate<'_>,
) -> Result<DataSets, Failure> {
    let mut sets = DataSets::default();
    let fixed = program.axes.iter().filter(|(_, a)| a.extent.is_some()).map(|(id, _)| id).collect();
    let ids: Vec<DataId> = program.data.ids().collect();
    let order = ids
        .iter()
        .filter(|&&id| matches!(program.data[id].source, DataSource::Read { .. }))
        .chain(ids.iter().filter(|&&id| !matches!(program.data[id].source, DataSource::Read { .. })));
    for &id in order.collect::<Vec<_>>() {
        let declared = program.data[id].clone();
        let mut binder = Binder { program, fixed: &fixed, drawn: false };
        if let (Some(table), false) = (given.get(&declared.name), matches!(declared.source, DataSource::Of(_))) {
            let set = binder.set(&declared, &Arc::new(table.clone()), None)?;
            sets.sets.insert(id, set);
            continue;
        }
        let set = match &declared.source {
            DataSource::Read { reader, path, columns } => {
                let source = source_of(reader, path, columns).ok_or_else(|| {
                    Diagnostic::at(Code::UnknownData, declared.span, format!("`{reader}` does not read data"))
                        .help("readers: dataset, csv, tsv, npy, npz, idx, columns, text, jsonl")
                })?;
                let wants = wants_of(binder.program, id);
                let table = load_as(&source, locations, &wants).map_err(|error| read_by(&error, &declared))?;
                binder.set(&declared, &Arc::new(table), None)?
            }
            DataSource::Sample { .. } => {
                let table = Arc::new(simulate(binder.program, id, &sets)?);
                binder.drawn = true;
                binder.set(&declared, &table, None)?
            }
            DataSource::Of(of) => {
                let parent = sets.sets.get(&of.data).cloned().unwrap_or_default();
                let rows = sets.rows(binder.program, of)?;
                let table = parent.source.clone().unwrap_or_default();
                let mut set = binder.set(&declared, &table, Some((&parent, &rows)))?;
                set.splits = vec![("rows".to_string(), rows)];
                set
            }
        };
        sets.sets.insert(id, set);
    }
    sets.check_lengths(program)?;
    Ok(sets)
}

/// What the bindings of a data set, and of those made of it, read its columns as. A column that is bound as labels anywhere is
/// read as labels: they keep how they are written, and numbers can be made of them.
fn wants_of(program: &Program, root: DataId) -> Wants {
    let mut columns: BTreeMap<String, Want> = BTreeMap::new();
    for (id, data) in program.data.iter() {
        let mut top = id;
        while let DataSource::Of(of) = &program.data[top].source {
            top = of.data;
        }
        if top != root {
            continue;
        }
        for binding in data.bindings.iter().filter(|b| !matches!(b.transform, Transform::Computed(_))) {
            let want = match (&binding.domain, &binding.transform, binding.scale) {
                (_, Transform::Words, _) | (Domain::Cat(_), _, _) => Want::Label,
                (Domain::Bool, Transform::Plain | Transform::Reveal { .. }, None) => Want::Bool,
                (Domain::Spin, Transform::Plain | Transform::Reveal { .. }, None) => Want::Spin,
                _ => Want::Number,
            };
            let entry = columns.entry(binding.column.clone()).or_insert(want);
            if *entry != want {
                *entry = Want::Label;
            }
        }
    }
    Wants { columns, only: true }
}

/// An error in the body of a file, with the declaration that reads it.
fn read_by(error: &DataError, declared: &Data) -> Failure {
    Failure::of_data(error, declared.span, format!("`{}` is read from it", declared.name))
}

/// An error in a column, with the declaration that it is bound by.
fn bound_by(error: &DataError, binding: &Binding) -> Failure {
    Failure::of_data(error, binding.span, format!("`{}` is bound to it", binding.name))
}

/// Binds columns, telling the program what they say of axes.
struct Binder<'p> {
    program: &'p mut Program,
    /// Axes whose sizes were known before any data were bound.
    fixed: &'p BTreeSet<AxisId>,
    /// Whether the rows were drawn from a model: a column's labels are then all there are, shown or not.
    drawn: bool,
}

impl Binder<'_> {
    /// Binds a set, or one made of rows of another.
    fn set(
        &mut self,
        declared: &Data,
        table: &Arc<Table>,
        of: Option<(&BoundSet, &[usize])>,
    ) -> Result<BoundSet, Failure> {
        let parent = of.map(|(parent, _)| parent);
        let mut columns: Vec<BoundColumn> = parent.map(|p| p.columns.clone()).unwrap_or_default();
        let everything = || (0..table.rows).collect();
        let train: Vec<usize> = table.split("train").map(<[usize]>::to_vec).unwrap_or_else(|_| everything());
        for binding in &declared.bindings {
            let inherited = parent.is_some_and(|p| p.columns.iter().any(|c| c.span == Some(binding.span)));
            if inherited {
                continue;
            }
            let bound = self.column(binding, table, &train, of.map_or(&train, |(_, rows)| rows))?;
            if bound.column.absent.as_ref().is_some_and(|absent| absent.contains(&true)) {
                self.note_partial(binding);
            }
            columns.retain(|c| c.name != bound.name);
            columns.push(bound);
        }
        if declared.bindings.is_empty() && parent.is_none() {
            // A simulated set without a body binds every variable it was drawn for.
            for (name, column) in &table.columns {
                let (name, column) = (name.clone(), Arc::new(column.clone()));
                columns.push(BoundColumn { name, column, transform: Transform::Plain, span: None });
            }
        }
        Ok(BoundSet { columns, rows: table.rows, splits: table.splits.clone(), source: Some(table.clone()) })
    }

    /// Notes that some rows of a bound column have no value.
    fn note_partial(&mut self, binding: &Binding) {
        let ids: Vec<DataId> = self.program.data.ids().collect();
        for id in ids {
            let own =
                self.program.data[id].bindings.iter_mut().find(|b| b.span == binding.span && b.name == binding.name);
            if let Some(own) = own {
                own.partial = true;
            }
        }
    }

    /// Binds a column: `train` are the rows that labels are taken from, `own` those that the set is made of.
    fn column(
        &mut self,
        binding: &Binding,
        table: &Table,
        train: &[usize],
        own: &[usize],
    ) -> Result<BoundColumn, Failure> {
        if let Transform::Computed(value) = &binding.transform {
            let name = &binding.name;
            return Err(Diagnostic::at(
                Code::NotSupported,
                value.span,
                format!("`{name}` is computed from other columns"),
            )
            .saying("columns that a net or a window makes are read, and not bound yet")
            .help("apply the net where the model reads the column")
            .into());
        }
        let known: Vec<&str> = table.columns.iter().map(|(n, _)| n.as_str()).collect();
        let found = table.column(&binding.column).map_err(|_| {
            let help = match nearest(&binding.column, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("its columns are: {}", known.join(", ")),
            };
            Diagnostic::at(Code::UnknownColumn, binding.span, format!("the data has no column `{}`", binding.column))
                .help(help)
        })?;
        let mut column = as_bound(binding, found)?;
        if let Domain::Cat(axis) = binding.domain {
            self.recode(axis, binding, &mut column, table, train)?;
        }
        if let Transform::Reveal { rows, balanced } = binding.transform {
            column = transform::reveal(&column, own, rows, balanced, 0).map_err(|error| bound_by(&error, binding))?;
        }
        self.shape(binding, &mut column)?;
        check_support(binding, &column)?;
        let (name, transform) = (binding.name.clone(), binding.transform.clone());
        Ok(BoundColumn { name, column: Arc::new(column), transform, span: Some(binding.span) })
    }

    /// Codes a column of labels by those of its enumeration, which the first column bound to it brings along.
    fn recode(
        &mut self,
        axis: AxisId,
        binding: &Binding,
        column: &mut Column,
        table: &Table,
        train: &[usize],
    ) -> Result<(), Failure> {
        let root = self.program.axes.root(axis);
        let open = self.program.axes[root].open;
        let labels = match self.program.axes[root].labels.clone() {
            Some(labels) => labels,
            None => {
                let mut labels = match self.drawn {
                    true => column.labels.clone().unwrap_or_default(),
                    false => column.labels_in(train),
                };
                if open {
                    labels.retain(|label| label != UNKNOWN);
                    labels.push(UNKNOWN.into());
                }
                self.program.axes[root].labels = Some(labels.clone());
                labels
            }
        };
        set_extent(self.program, root, labels.len(), binding)?;
        let unknown = open.then(|| labels.len().saturating_sub(1));
        column.recode(&binding.column, &labels, unknown).map_err(|error| {
            let error = match error {
                DataError::NewLabel { column, row, label, known, .. } => {
                    let (split, row) = place_in(table, row);
                    DataError::NewLabel { column, row, split, label, known }
                }
                other => other,
            };
            bound_by(&error, binding)
        })
    }

    /// Fits a column's dimensions to the axes it is bound along, and tells these their extents.
    fn shape(&mut self, binding: &Binding, column: &mut Column) -> Result<(), Failure> {
        if column.starts.is_none() && column.shape.len() == 1 && binding.axes.len() > 1 {
            // A flat column fills several axes whose sizes are known, the last running fastest.
            let sizes = self.program.extents(&binding.axes).unwrap_or_default();
            if sizes.iter().product::<usize>() == column.shape[0] && sizes.len() == binding.axes.len() {
                column.shape = sizes;
            }
        }
        if column.shape.len() != binding.axes.len() {
            let (name, from) = (&binding.name, &binding.column);
            let (axes, dims) = (binding.axes.len(), column.shape.len());
            let message = format!("`{name}` is declared with {axes} axes, and the column `{from}` has {dims}");
            return Err(Diagnostic::at(Code::ShapesDisagree, binding.span, message)
                .help(format!("the column's shape within a row is {:?}", column.shape))
                .into());
        }
        for (i, (&axis, &extent)) in binding.axes.iter().zip(&column.shape).enumerate() {
            let root = self.program.axes.root(axis);
            if i == 0 && column.starts.is_some() {
                self.program.axes[root].kind = AxisKind::Ragged;
            }
            let ragged = self.program.axes[root].kind == AxisKind::Ragged;
            if ragged && i > 0 {
                let name = self.program.axes[root].name.clone();
                let message = format!("`{name}` has a length of its own in each row, and stands behind another axis");
                return Err(Diagnostic::at(Code::ShapesDisagree, binding.span, message)
                    .help(format!("declare `{}` with `{name}` first", binding.name))
                    .into());
            }
            match (ragged, self.program.axes[root].extent) {
                // A ragged axis is as long as the longest row of all data, or as it was said to be.
                (true, Some(before)) if before >= extent => {}
                (true, _) if !self.fixed.contains(&root) => self.program.axes[root].extent = Some(extent),
                _ => set_extent(self.program, root, extent, binding)?,
            }
        }
        Ok(())
    }
}

/// The split that holds a row, counted from 1, and its number there; none where there is but one.
fn place_in(table: &Table, row: usize) -> (Option<String>, usize) {
    if table.splits.len() < 2 {
        return (None, row);
    }
    let found = table.splits.iter().find_map(|(name, rows)| {
        let at = rows.iter().position(|&r| r + 1 == row)?;
        Some((Some(name.clone()), at + 1))
    });
    found.unwrap_or((None, row))
}

/// A column as its binding means it: labels for an enumeration, words of a text, numbers elsewhere, scaled.
fn as_bound(binding: &Binding, column: &Column) -> Result<Column, Failure> {
    let column = column.clone();
    let column = match (&binding.domain, &binding.transform) {
        (_, Transform::Words) => column.into_labels().words().ok_or_else(|| {
            let message = format!("the column `{}` holds no single text in a row", binding.column);
            Diagnostic::at(Code::ShapesDisagree, binding.span, message).help("`words` takes one text a row apart")
        })?,
        (Domain::Cat(_), _) => column.into_labels(),
        (Domain::Bool, Transform::Plain | Transform::Reveal { .. }) => numbers(binding, column, truth, TRUTHS)?,
        (Domain::Spin, Transform::Plain | Transform::Reveal { .. }) => numbers(binding, column, turn, TURNS)?,
        _ => {
            let number = |label: &str| label.parse::<f64>().ok().filter(|v| v.is_finite());
            numbers(binding, column, number, "a number")?
        }
    };
    Ok(match binding.scale {
        None => column,
        Some(Scale::Times(by)) => column.scaled(by, false),
        Some(Scale::Over(by)) => column.scaled(by, true),
    })
}

/// Labels turned into the numbers that they stand for.
fn numbers(
    binding: &Binding,
    column: Column,
    number: impl Fn(&str) -> Option<f64>,
    expected: &str,
) -> Result<Column, Failure> {
    column.into_numbers(number).map_err(|(row, label)| {
        let row = row + 1;
        let message = format!("row {row} of the column `{}` holds `{label}`, which is not {expected}", binding.column);
        Diagnostic::at(Code::BadValue, binding.span, message)
            .help("mend the data, or bind the column to an enumeration")
            .into()
    })
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
                format!("row {} of `{}` holds {value}, and {wanted} is wanted", column.row_of(i).0 + 1, binding.column),
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
    /// nothing and is left out. What is absent elsewhere must be among `summed`, which the plan sums over.
    pub fn telling_rows(
        &self,
        program: &Program,
        on: &DataRef,
        vars: &[VarId],
        summed: &[VarId],
    ) -> Result<Vec<usize>, Failure> {
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
            // Wholly absent ones, and the first that is absent where nobody sums over it.
            let (mut silent, mut alone) = (0, None);
            for (var, bound) in &columns {
                let missing = (0..bound.column.filled(row)).filter(|&i| bound.column.is_absent(row, i)).count();
                let whole = missing == bound.column.filled(row) && !program.vars[*var].given;
                silent += usize::from(missing > 0 && whole);
                if missing > 0 && !summed.contains(var) {
                    alone = alone.or(Some(*var));
                }
            }
            match alone {
                _ if silent == scored => {}
                None => telling.push(row),
                Some(var) => return Err(partly_absent(program, on, var, row)),
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
            self.telling_rows(program, &train.on, &self.inputs_of(program, train), &train.partial)?;
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
                list(column.starts.iter().flatten().map(|&n| n as u64).collect::<Vec<_>>().into_iter(), &mut fold);
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
        let column = &bound.column;
        column.absent.as_ref().map(|_| (0..column.filled(row)).map(|at| column.is_absent(row, at)).collect())
    }

    /// Where a variable has values at some rows, `[row, axes]`: 1 where it has one; none where its column is complete.
    pub fn present<T: Element>(&self, program: &Program, data: DataId, var: VarId, rows: &[usize]) -> Option<Vec<T>> {
        let set = self.sets.get(&data)?;
        let bound = set.columns.iter().find(|c| c.name == program.vars[var].name)?;
        bound.column.absent.as_ref()?;
        let axes: Option<Vec<usize>> = program.extents(&program.vars[var].axes());
        let width: usize = axes.map_or(bound.column.width(), |extents| extents.iter().product());
        let there = |row: usize, i: usize| i < bound.column.filled(row) && !bound.column.is_absent(row, i);
        let one = |row: usize| (0..width).map(move |i| T::of(f64::from(u8::from(there(row, i)))));
        Some(rows.iter().flat_map(|&row| one(row)).collect())
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
        let ragged = program.vars[var].axes().first().copied().map(|a| program.axes.root(a));
        let first = ragged.filter(|&a| program.axes[a].kind == AxisKind::Ragged).and_then(|a| program.axes.extent(a));
        let mut values = match first {
            Some(first) => bound.column.gather_padded::<T>(rows, first),
            None => bound.column.gather::<T>(rows),
        };
        match bound.transform {
            Transform::Plain
            | Transform::Soft
            | Transform::Words
            | Transform::Reveal { .. }
            | Transform::Computed(_) => {}
            Transform::Above(cut) => transform::threshold(&mut values, T::of(cut)),
            Transform::Binarise => {
                let site = 0xda7a_1000 + var.index() as u32;
                let width = values.len().checked_div(rows.len()).unwrap_or(0);
                transform::binarise(&mut values, rows, width, seed, site, epoch);
            }
        }
        Some(values)
    }

    /// The lengths of some rows along their ragged axis, as a variable's column tells them.
    pub fn lengths<T: Element>(&self, program: &Program, data: DataId, var: VarId, rows: &[usize]) -> Option<Vec<T>> {
        let set = self.sets.get(&data)?;
        let bound = set.columns.iter().find(|c| c.name == program.vars[var].name)?;
        let axis = program.axes.root(*program.vars[var].axes().first()?);
        let ragged = program.axes[axis].kind == AxisKind::Ragged;
        ragged.then(|| rows.iter().map(|&row| T::of(bound.column.length(row) as f64)).collect())
    }

    /// The values of every column that the data bind, at some rows and as they would be trained on at first.
    pub fn bound(&self, data: DataId) -> impl Iterator<Item = (&str, &Column)> {
        self.sets.get(&data).into_iter().flat_map(|set| &set.columns).map(|c| (c.name.as_str(), c.column.as_ref()))
    }

    /// E0710 where two columns along one ragged axis differ in the length of a row.
    fn check_lengths(&self, program: &Program) -> Result<(), Failure> {
        for (id, set) in &self.sets {
            let mut told: BTreeMap<AxisId, (&Binding, &Column)> = BTreeMap::new();
            for binding in &program.data[*id].bindings {
                let Some(bound) = set.columns.iter().find(|c| c.name == binding.name) else { continue };
                let Some(axis) = binding.axes.first().map(|&a| program.axes.root(a)) else { continue };
                if program.axes[axis].kind != AxisKind::Ragged {
                    continue;
                }
                let (first, other) = *told.entry(axis).or_insert((binding, &bound.column));
                let uneven = (0..set.rows).find(|&row| bound.column.length(row) != other.length(row));
                if let Some(row) = uneven {
                    let (name, here, there) = (&program.axes[axis].name, bound.column.length(row), other.length(row));
                    let message = format!("row {} of `{}` has {here} entries along `{name}`", row + 1, binding.name);
                    return Err(Diagnostic::at(Code::ShapesDisagree, binding.span, message)
                        .label(first.span, format!("here it has {there}"))
                        .help("give the two axes of their own, or mend the data")
                        .into());
                }
            }
        }
        Ok(())
    }
}
