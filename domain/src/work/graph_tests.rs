use super::*;
use uuid::Uuid;

fn id(number: u128) -> TaskId {
    TaskId::new(Uuid::from_u128(number))
}

fn node(number: u128, title: &str) -> Node {
    Node {
        id: id(number),
        title: Title::parse(title).unwrap(),
        task_type: TaskType::parse("build").unwrap(),
        status: Status::Ready,
    }
}

#[test]
fn a_graph_is_the_same_in_whatever_order_it_was_found() {
    let edge = |task: u128, on: u128| Edge { task: id(task), depends_on: id(on) };
    let one = Graph::new(vec![node(1, "a"), node(2, "b")], vec![edge(2, 1)]);
    let other = Graph::new(vec![node(2, "b"), node(1, "a"), node(1, "a")], vec![edge(2, 1), edge(2, 1)]);
    assert_eq!(one, other);
    assert!(!one.is_cut);
}

#[test]
fn an_edge_that_leads_to_nowhere_is_left_out_and_that_is_said() {
    let graph = Graph::new(vec![node(1, "a")], vec![Edge { task: id(1), depends_on: id(9) }]);
    assert!(graph.edges.is_empty());
    assert!(graph.is_cut);
}

#[test]
fn a_graph_has_a_limit() {
    let nodes = (0..=Graph::NODES_MAX as u128).map(|number| node(number, "a")).collect();
    let graph = Graph::new(nodes, Vec::new());
    assert_eq!((graph.nodes.len(), graph.is_cut), (Graph::NODES_MAX, true));
}

#[test]
fn arrows_lead_from_what_comes_first_and_titles_cannot_break_out() {
    let nodes = vec![node(1, r#"say "hi" \"#), node(2, "b")];
    let dot = Graph::new(nodes, vec![Edge { task: id(2), depends_on: id(1) }]).to_dot();
    assert!(dot.contains(&format!("\"{}\" -> \"{}\";", id(1), id(2))));
    assert!(dot.contains(r#"label="say \"hi\" \\\nbuild · ready""#), "{dot}");
    assert!(dot.starts_with("digraph") && dot.ends_with("}\n"));
}
