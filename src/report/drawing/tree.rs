//! Which level of nested boxes an edge belongs to, and what it passes on the way: every level is ranked for itself.

use std::collections::BTreeMap;

use super::rank::{Wish, rank};
use super::scene::Scene;

/// Something that stands in a box: a node, or a box itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A node.
    Node(usize),
    /// A box.
    Frame(usize),
}

/// A level: the whole drawing (`None`) or a box.
pub type Level = Option<usize>;

/// The nesting of a scene with everything ranked.
#[derive(Debug)]
pub struct Tree {
    /// What stands directly in each level.
    pub items: BTreeMap<Level, Vec<Item>>,
    /// The level at which each edge runs between two different items.
    pub home: Vec<Level>,
    /// Whether each edge runs upwards.
    pub turned: Vec<bool>,
    /// The rank of each item in its level.
    pub ranks: BTreeMap<Item, usize>,
    /// Levels from a node's own up to the whole.
    chains: Vec<Vec<Level>>,
}

impl Tree {
    /// The nesting of a scene.
    pub fn new(scene: &Scene) -> Tree {
        let mut items: BTreeMap<Level, Vec<Item>> = BTreeMap::from([(None, Vec::new())]);
        for at in 0..scene.clusters.len() {
            items.insert(Some(at), Vec::new());
        }
        for (at, node) in scene.nodes.iter().enumerate() {
            items.entry(node.cluster).or_default().push(Item::Node(at));
        }
        for (at, cluster) in scene.clusters.iter().enumerate() {
            items.entry(cluster.parent).or_default().push(Item::Frame(at));
        }
        let chain = |cluster: Level| {
            let mut chain = vec![cluster];
            while let Some(Some(at)) = chain.last().copied() {
                chain.push(scene.clusters[at].parent);
            }
            chain
        };
        let chains: Vec<Vec<Level>> = scene.nodes.iter().map(|n| chain(n.cluster)).collect();
        let home: Vec<Level> = scene
            .edges
            .iter()
            .map(|e| chains[e.from].iter().copied().find(|l| chains[e.to].contains(l)).flatten())
            .collect();
        let mut tree = Tree { items, home, turned: vec![false; scene.edges.len()], ranks: BTreeMap::new(), chains };
        let levels: Vec<Level> = tree.items.keys().copied().collect();
        for level in levels {
            tree.rank_level(scene, level);
        }
        tree
    }

    fn rank_level(&mut self, scene: &Scene, level: Level) {
        let items = self.items[&level].clone();
        let place = |item: Item| items.iter().position(|i| *i == item).unwrap_or(0);
        let here: Vec<usize> = (0..scene.edges.len()).filter(|&e| self.home[e] == level).collect();
        let wishes: Vec<Wish> = here
            .iter()
            .map(|&e| {
                let edge = &scene.edges[e];
                let labelled = !edge.label.is_empty();
                Wish {
                    above: place(self.item(level, edge.from)),
                    below: place(self.item(level, edge.to)),
                    by: 1 + usize::from(labelled),
                    weak: labelled,
                }
            })
            .collect();
        let (ranks, turned) = rank(items.len(), &wishes);
        for (&e, turned) in here.iter().zip(turned) {
            self.turned[e] = turned;
        }
        self.ranks.extend(items.into_iter().zip(ranks));
    }

    /// What of a level a node is or stands in.
    pub fn item(&self, level: Level, node: usize) -> Item {
        let chain = &self.chains[node];
        match chain.iter().position(|l| *l == level) {
            Some(0) | None => Item::Node(node),
            Some(at) => chain[at - 1].map_or(Item::Node(node), Item::Frame),
        }
    }

    /// Whether a node stands in a level, at any depth.
    pub fn holds(&self, level: Level, node: usize) -> bool {
        self.chains[node].contains(&level)
    }

    /// The levels between a node and a level that holds it, from the inside, the last one left out.
    pub fn between(&self, node: usize, level: Level) -> &[Level] {
        let chain = &self.chains[node];
        &chain[..chain.iter().position(|l| *l == level).unwrap_or(0)]
    }

    /// The ends of an edge, the upper one first.
    pub fn ends(&self, scene: &Scene, edge: usize) -> (usize, usize) {
        let e = &scene.edges[edge];
        if self.turned[edge] { (e.to, e.from) } else { (e.from, e.to) }
    }
}
