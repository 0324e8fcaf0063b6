//! What the graph around a task looks like on the wire.

use crate::work::views::StatusView;
use domain::work::graph::{Edge, Graph, Node};
use poem_openapi::payload::{Json, PlainText};
use poem_openapi::{ApiResponse, Enum, Object, ResponseContent};

/// How a graph is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "GraphFormat", rename_all = "snake_case")]
pub enum FormatView {
    /// As nodes and edges.
    Json,
    /// In the language of Graphviz.
    Dot,
}

/// A task in a graph.
#[derive(Debug, Clone, Object)]
#[oai(rename = "GraphNode")]
pub struct NodeView {
    /// The task.
    pub id: String,
    /// In one line.
    pub title: String,
    /// Its kind.
    #[oai(rename = "type")]
    pub task_type: String,
    /// What it is in.
    pub status: StatusView,
}

impl From<Node> for NodeView {
    fn from(Node { id, title, task_type, status }: Node) -> Self {
        Self { id: id.to_string(), title: title.into(), task_type: task_type.into(), status: status.into() }
    }
}

/// One task waits for another.
#[derive(Debug, Clone, Object)]
#[oai(rename = "GraphEdge")]
pub struct EdgeView {
    /// The one that waits.
    pub task: String,
    /// The one it waits for.
    pub depends_on: String,
}

impl From<Edge> for EdgeView {
    fn from(Edge { task, depends_on }: Edge) -> Self {
        Self { task: task.to_string(), depends_on: depends_on.to_string() }
    }
}

/// Tasks, and who waits for whom.
#[derive(Debug, Clone, Object)]
#[oai(rename = "TaskGraph")]
pub struct GraphView {
    /// The tasks, by id.
    pub nodes: Vec<NodeView>,
    /// Who waits for whom.
    pub edges: Vec<EdgeView>,
    /// Whether there is more than is shown.
    pub is_cut: bool,
}

impl From<Graph> for GraphView {
    fn from(Graph { nodes, edges, is_cut }: Graph) -> Self {
        Self {
            nodes: nodes.into_iter().map(Into::into).collect(),
            edges: edges.into_iter().map(Into::into).collect(),
            is_cut,
        }
    }
}

/// A graph in one of the two ways.
#[derive(ResponseContent)]
pub enum GraphContent {
    /// As nodes and edges.
    Json(Json<GraphView>),
    /// In the language of Graphviz.
    #[oai(content_type = "text/vnd.graphviz")]
    Dot(PlainText<String>),
}

/// The graph of a task.
#[derive(ApiResponse)]
pub enum GraphAnswer {
    /// The graph.
    #[oai(status = 200)]
    Graph(GraphContent),
}

impl GraphAnswer {
    /// Writes a graph down.
    pub fn new(graph: Graph, format: FormatView) -> Self {
        Self::Graph(match format {
            FormatView::Json => GraphContent::Json(Json(graph.into())),
            FormatView::Dot => GraphContent::Dot(PlainText(graph.to_dot())),
        })
    }
}
