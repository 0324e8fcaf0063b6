//! The dependency graph around a task, to look at.

use crate::ids::TaskId;
use crate::work::content::Title;
use crate::work::name::TaskType;
use crate::work::task::Status;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Tasks and who depends on whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Graph {
    /// The tasks, by id.
    pub nodes: Vec<Node>,
    /// Who waits for whom.
    pub edges: Vec<Edge>,
    /// Whether there is more than [`Graph::NODES_MAX`].
    pub is_cut: bool,
}

/// A task in a graph.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id.
    pub id: TaskId,
    /// In one line.
    pub title: Title,
    /// Its kind.
    pub task_type: TaskType,
    /// What it is in.
    pub status: Status,
}

/// One task waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edge {
    /// The one that waits.
    pub task: TaskId,
    /// The one it waits for.
    pub depends_on: TaskId,
}

impl Graph {
    /// The most tasks of a graph.
    pub const NODES_MAX: usize = 1_000;

    /// Puts nodes and edges in order, and leaves out what is too much: nodes beyond the limit, and edges that lead to
    /// nowhere.
    pub fn new(mut nodes: Vec<Node>, mut edges: Vec<Edge>) -> Self {
        let is_cut = nodes.len() > Self::NODES_MAX;
        nodes.truncate(Self::NODES_MAX);
        nodes.sort_by_key(|node| node.id);
        nodes.dedup_by_key(|node| node.id);
        let is_there = |id: &TaskId| nodes.binary_search_by_key(id, |node| node.id).is_ok();
        let count = edges.len();
        edges.retain(|edge| is_there(&edge.task) && is_there(&edge.depends_on));
        let is_cut = is_cut || edges.len() < count;
        edges.sort_unstable();
        edges.dedup();
        Self { nodes, edges, is_cut }
    }

    /// The graph in the language of Graphviz; arrows lead from what comes first to what waits for it.
    pub fn to_dot(&self) -> String {
        let mut dot = String::from("digraph tasks {\n  rankdir=LR;\n  node [shape=box, style=filled];\n");
        // Writing to a string cannot fail.
        for node in &self.nodes {
            let label = format!("{}\n{} · {}", node.title.as_str(), node.task_type, node.status.as_str());
            let _ = writeln!(
                dot,
                "  \"{}\" [label=\"{}\", fillcolor=\"{}\"];",
                node.id,
                escaped(&label),
                color(node.status)
            );
        }
        for edge in &self.edges {
            let _ = writeln!(dot, "  \"{}\" -> \"{}\";", edge.depends_on, edge.task);
        }
        dot.push_str("}\n");
        dot
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

const fn color(status: Status) -> &'static str {
    match status {
        Status::Ready => "lightblue",
        Status::Scheduled | Status::Blocked => "white",
        Status::Leased => "gold",
        Status::Failed => "orange",
        Status::Succeeded => "palegreen",
        Status::Dead => "tomato",
        Status::Cancelled | Status::Expired => "lightgrey",
    }
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
