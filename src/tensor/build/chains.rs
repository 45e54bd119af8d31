//! Sums over the paths of a chain: as one operation, and written out position by position.

use crate::tensor::graph::{Graph, NodeId};
use crate::tensor::op::{Binary, ChainOp, Op, Semiring};

/// The potentials of a chain; [`ChainOp`] says what shapes they have.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    /// What the first position has beside its own.
    pub start: NodeId,
    /// Those of the positions.
    pub local: NodeId,
    /// Those of moves.
    pub moves: NodeId,
    /// How many positions of each row count; without it all.
    pub lengths: Option<NodeId>,
}

impl Graph {
    /// ln Σ over the paths of a chain, a number a row; its derivatives are the probabilities of states and moves.
    pub fn chain_sum(&mut self, op: ChainOp, chain: Chain) -> NodeId {
        let inputs: Vec<NodeId> = [chain.start, chain.local, chain.moves].into_iter().chain(chain.lengths).collect();
        let node = self.push(Op::ChainSum(op), &inputs, &[]);
        self.project(node, 0)
    }

    /// The same written out as a scan, for any semiring: a sum over the states at each position, in whose site draws are made, and one
    /// over the last states, drawn at another.
    pub fn chain_written(&mut self, op: ChainOp, chain: Chain, moving: Semiring, last: Semiring) -> NodeId {
        let [rows, steps, states] = self.shape(chain.local)[..] else { return chain.start };
        let first = self.slice(chain.local, 1, 0, 1);
        let first = self.reshape(first, &[rows, states]);
        let mut alpha = self.add(chain.start, first);
        if steps > 1 {
            let length = steps - 1;
            let local = self.slice(chain.local, 1, 1, length);
            let local = self.transpose(local, &[1, 0, 2]);
            let mut sequences = vec![local];
            let moves = match (op.along, op.apart) {
                (false, _) => chain.moves,
                (true, false) => self.slice(chain.moves, 0, 1, length),
                (true, true) => {
                    let moves = self.slice(chain.moves, 1, 1, length);
                    self.transpose(moves, &[1, 0, 2, 3])
                }
            };
            let mut constants = Vec::new();
            if op.along { &mut sequences } else { &mut constants }.push(moves);
            if let Some(lengths) = chain.lengths {
                let position = self.iota(&[length, rows, states], 0);
                let one = self.full(&[length, rows, states], 1.0);
                let position = self.add(position, one);
                let lengths = self.broadcast(lengths, &[length, rows, states], &[1]);
                sequences.push(self.binary(Binary::Lt, position, lengths));
            }
            let found = self.scan_with(length, false, &[alpha], &sequences, &constants, |g, _, c, x, k| {
                let (moves, mask) = if op.along { (x[1], x.get(2)) } else { (k[0], x.get(1)) };
                let shape = [rows, states, states];
                let before = g.broadcast(c[0], &shape, &[0, 1]);
                let map: &[usize] = if op.apart { &[0, 1, 2] } else { &[1, 2] };
                let moves = g.broadcast(moves, &shape, map);
                let joint = g.add(before, moves);
                let summed = g.log_sum_exp(joint, 1, moving);
                let next = g.add(summed, x[0]);
                let next = match mask {
                    Some(&mask) => g.select(mask, next, c[0]),
                    None => next,
                };
                (vec![next], Vec::new())
            });
            alpha = found[0];
        }
        self.log_sum_exp(alpha, 1, last)
    }
}
