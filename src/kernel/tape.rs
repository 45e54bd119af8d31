//! Elementwise programs: a chain of functions run over blocks small enough to stay in the first cache, one pass over memory for all of them.

use super::real::Real;
use super::scalar::{Binary, Unary};
use super::simd::tiered;
use super::strided::{Layout, load};

/// Elements handled at a time.
pub const BLOCK: usize = 1024;
/// Elements of one task of a parallel run; programs over fewer run on the calling thread.
const TASK: usize = 16 * BLOCK;

/// What an instruction reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// An argument of the program.
    Input(usize),
    /// A register.
    Register(usize),
}

/// One function applied to a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A function of one number.
    Unary(Unary, Operand),
    /// A function of two.
    Binary(Binary, Operand, Operand),
    /// The second where the first is not 0, else the third.
    Select(Operand, Operand, Operand),
}

/// One instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// What is computed.
    pub code: Code,
    /// The register written; never one that the instruction reads.
    pub to: usize,
    /// The output that the result is also written to.
    pub output: Option<usize>,
}

/// An elementwise program over arrays of `len` elements.
#[derive(Clone, Debug)]
pub struct Tape {
    /// The instructions, in order.
    pub code: Vec<Instruction>,
    /// How each argument lies in its buffer, all with `len` elements.
    pub layouts: Vec<Layout>,
    /// Number of registers.
    pub registers: usize,
    /// Number of elements.
    pub len: usize,
}

/// Working memory of a run, kept so that small programs allocate nothing.
#[derive(Clone, Debug, Default)]
pub struct Scratch<T> {
    registers: Vec<Vec<T>>,
    arguments: Vec<Vec<T>>,
}

impl Tape {
    /// Runs the program: `inputs` are the buffers its layouts index, `outputs` dense arrays of `len`.
    pub fn run<T: Real>(&self, inputs: &[&[T]], outputs: &mut [&mut [T]], scratch: &mut Scratch<T>) {
        assert!(inputs.len() == self.layouts.len() && outputs.iter().all(|o| o.len() == self.len));
        if self.len <= TASK {
            self.stretch(inputs, 0, outputs, scratch);
        } else {
            let parts = outputs.iter_mut().map(|o| &mut **o).collect();
            self.split(inputs, 0, self.len, parts);
        }
    }

    /// Halves the work at multiples of a task, whatever the number of threads.
    fn split<T: Real>(&self, inputs: &[&[T]], start: usize, len: usize, mut outputs: Vec<&mut [T]>) {
        let tasks = len.div_ceil(TASK);
        if tasks <= 1 {
            return self.stretch(inputs, start, &mut outputs, &mut Scratch::default());
        }
        let middle = tasks / 2 * TASK;
        let (left, right) = outputs.into_iter().map(|o| o.split_at_mut(middle)).unzip();
        rayon::join(
            || self.split(inputs, start, middle, left),
            || self.split(inputs, start + middle, len - middle, right),
        );
    }

    fn stretch<T: Real>(&self, inputs: &[&[T]], start: usize, outputs: &mut [&mut [T]], scratch: &mut Scratch<T>) {
        let len = outputs.first().map_or(0, |o| o.len());
        let width = len.min(BLOCK);
        scratch.registers.resize_with(scratch.registers.len().max(self.registers), Vec::new);
        scratch.arguments.resize_with(scratch.arguments.len().max(inputs.len()), Vec::new);
        for r in &mut scratch.registers[..self.registers] {
            r.resize(r.len().max(width), T::ZERO);
        }
        for ((layout, data), block) in self.layouts.iter().zip(inputs).zip(&mut scratch.arguments) {
            if !layout.is_dense() || layout.is_splat() {
                block.resize(block.len().max(width), T::ZERO);
            }
            if layout.is_splat() && len > 0 {
                load(layout, data, 0, &mut block[..1]);
                let v = block[0];
                block[..width].fill(v);
            }
        }
        let mut done = 0;
        while done < len {
            let n = width.min(len - done);
            for ((layout, data), block) in self.layouts.iter().zip(inputs).zip(&mut scratch.arguments) {
                if !layout.is_dense() && !layout.is_splat() {
                    load(layout, data, start + done, &mut block[..n]);
                }
            }
            block(self, inputs, start + done, n, done, outputs, &mut scratch.registers, &scratch.arguments);
            done += n;
        }
    }

    #[inline(always)]
    fn operand<'a, T: Real>(
        &self,
        operand: Operand,
        inputs: &[&'a [T]],
        at: usize,
        n: usize,
        registers: &'a [Vec<T>],
        arguments: &'a [Vec<T>],
    ) -> &'a [T] {
        match operand {
            Operand::Register(r) => &registers[r][..n],
            Operand::Input(i) => {
                let layout = &self.layouts[i];
                if layout.is_splat() || !layout.is_dense() {
                    &arguments[i][..n]
                } else {
                    let first = layout.offset as usize + at;
                    &inputs[i][first..first + n]
                }
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn block_inner<T: Real>(
    tape: &Tape,
    inputs: &[&[T]],
    at: usize,
    n: usize,
    done: usize,
    outputs: &mut [&mut [T]],
    registers: &mut [Vec<T>],
    arguments: &[Vec<T>],
) {
    for i in &tape.code {
        let mut result = std::mem::take(&mut registers[i.to]);
        let to = &mut result[..n];
        match i.code {
            Code::Unary(f, a) => unary_inner(f, tape.operand(a, inputs, at, n, registers, arguments), to),
            Code::Binary(f, a, b) => binary_inner(
                f,
                tape.operand(a, inputs, at, n, registers, arguments),
                tape.operand(b, inputs, at, n, registers, arguments),
                to,
            ),
            Code::Select(c, a, b) => {
                let c = tape.operand(c, inputs, at, n, registers, arguments);
                let a = tape.operand(a, inputs, at, n, registers, arguments);
                let b = tape.operand(b, inputs, at, n, registers, arguments);
                for (((to, &c), &a), &b) in to.iter_mut().zip(c).zip(a).zip(b) {
                    *to = if c != T::ZERO { a } else { b };
                }
            }
        }
        if let Some(o) = i.output {
            outputs[o][done..done + n].copy_from_slice(to);
        }
        registers[i.to] = result;
    }
}

tiered! {
    #[allow(clippy::too_many_arguments)]
    fn block(
        tape: &Tape,
        inputs: &[&[T]],
        at: usize,
        n: usize,
        done: usize,
        outputs: &mut [&mut [T]],
        registers: &mut [Vec<T>],
        arguments: &[Vec<T>],
    ) = block_inner, block_inner, block_inner;
}

#[inline(always)]
fn map<T: Real>(a: &[T], to: &mut [T], f: impl Fn(T) -> T) {
    for (to, &a) in to.iter_mut().zip(a) {
        *to = f(a);
    }
}

#[inline(always)]
fn map2<T: Real>(a: &[T], b: &[T], to: &mut [T], f: impl Fn(T, T) -> T) {
    for ((to, &a), &b) in to.iter_mut().zip(a).zip(b) {
        *to = f(a, b);
    }
}

/// One loop for each function, so that each becomes vector code.
#[inline(always)]
fn unary_inner<T: Real>(f: Unary, a: &[T], to: &mut [T]) {
    macro_rules! each {
        ($($name:ident)*) => {
            match f {
                $(Unary::$name => map(a, to, |x| Unary::$name.apply(x)),)*
                Unary::Polygamma(n) => map(a, to, |x| Unary::Polygamma(n).apply(x)),
            }
        };
    }
    each!(Neg Exp Log Log1p Expm1 Sigmoid Softplus Tanh Relu Abs Sign Sqrt Square Recip Sin Cos Floor Lgamma Digamma Erf
        Step IsFinite Not)
}

#[inline(always)]
fn binary_inner<T: Real>(f: Binary, a: &[T], b: &[T], to: &mut [T]) {
    macro_rules! each {
        ($($name:ident)*) => {
            match f {
                $(Binary::$name => map2(a, b, to, |x, y| Binary::$name.apply(x, y)),)*
            }
        };
    }
    each!(Add Sub Mul Div Pow Max Min Lt Le Eq And Or MulZero)
}
