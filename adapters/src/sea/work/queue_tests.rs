use super::*;
use crate::sea::SeaStore;
use crate::sea::connect::SqliteOptions;
use domain::ids::{AgentId, TaskId};
use domain::work::claim::ClaimFilter;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;

const SQLITE: Dialect = Dialect(DbBackend::Sqlite);

async fn file(folder: &TempDir) -> DatabaseConnection {
    let path = folder.path().join("p.db");
    let store = SeaStore::connect_sqlite(&SqliteOptions::new(&path)).await.unwrap();
    store.migrate().await.unwrap();
    store.close().await.unwrap();
    sea_orm::Database::connect(format!("sqlite://{}", path.display())).await.unwrap()
}

/// How SQLite goes about a query, which hangs on the schema alone as long as nobody runs ANALYZE.
async fn plan(file: &DatabaseConnection, sql: &str, values: Vec<Value>) -> Vec<String> {
    let sql = format!("EXPLAIN QUERY PLAN {sql}");
    let rows = file.query_all_raw(Statement::from_sql_and_values(DbBackend::Sqlite, sql, values)).await.unwrap();
    rows.iter().map(|row| row.try_get("", "detail").unwrap()).collect()
}

/// Asserts that a table is only ever searched by some of its indexes.
fn assert_only(plan: &[String], indexes: &[&str]) {
    let uses: Vec<&String> = plan.iter().filter(|step| !step.contains(" r ") && step.contains("INDEX")).collect();
    assert!(!uses.is_empty(), "{plan:?}");
    for step in uses {
        assert!(step.contains("SEARCH") && indexes.iter().any(|index| step.contains(index)), "{step} in {plan:?}");
    }
    let scans = |step: &&String| {
        step.starts_with("SCAN") && ["task_states", "tasks", " s", " p"].iter().any(|table| step.ends_with(table))
    };
    assert_eq!(plan.iter().find(scans), None, "{plan:?}");
}

fn is_sorted_after_the_fact(plan: &[String]) -> bool {
    plan.iter().any(|step| step.contains("TEMP B-TREE"))
}

fn default_project() -> ProjectId {
    ProjectId::parse("default").unwrap()
}

fn wanted(types: &[&str], labels: &[&str]) -> ClaimFilter {
    let types = types.iter().map(|name| TaskType::parse(name).unwrap()).collect();
    let labels: BTreeSet<_> = labels.iter().map(|name| domain::work::name::Label::parse(name).unwrap()).collect();
    ClaimFilter::try_new(types, labels).unwrap()
}

#[tokio::test]
async fn sqlite_walks_the_ready_tasks_in_order() {
    let folder = TempDir::new().unwrap();
    let file = file(&folder).await;
    let full = BTreeMap::from([(ConcurrencyKey::parse("deploy").unwrap(), 1)]);
    for running in [&BTreeMap::new(), &full] {
        for labels in [&[][..], &["gpu"]] {
            let any = wanted(&[], labels);
            let candidates = Candidates { filter: &any, running, after: None, rows_max: 64 };
            let (sql, values) = claimable(SQLITE, &default_project(), candidates);
            let steps = plan(&file, &sql, values).await;
            assert_only(&steps, &["task_states_ready (project_id=? AND (ready_rank_us,id)>(?,?))"]);
            assert!(!is_sorted_after_the_fact(&steps), "{steps:?}");

            let some = wanted(&["build", "test"], labels);
            let candidates = Candidates { filter: &some, running, after: None, rows_max: 64 };
            let (sql, values) = claimable(SQLITE, &default_project(), candidates);
            let steps = plan(&file, &sql, values).await;
            let by_type = "task_states_ready_type (project_id=? AND task_type=? AND (ready_rank_us,id)>(?,?))";
            assert_only(&steps, &[by_type, "INTEGER PRIMARY KEY"]);
            assert!(steps.iter().any(|step| step.contains(by_type)), "{steps:?}");
        }
    }
}

#[tokio::test]
async fn sqlite_finds_what_is_due_by_its_instant() {
    let folder = TempDir::new().unwrap();
    let file = file(&folder).await;
    let (project, limit): (Value, Value) = ("default".into(), 64.into());
    let steps = plan(&file, &due(SQLITE), vec![project.clone(), 1.into(), limit.clone()]).await;
    let indexes = [
        "task_states_due (project_id=? AND due_us>? AND due_us<?)",
        "task_states_session (project_id=? AND session_id=?)",
        "sessions_open (project_id=? AND ended_at_us=?)",
    ];
    assert_only(&steps, &indexes);
    let steps = plan(&file, NEXT_DUE, vec![project]).await;
    assert_only(&steps, &["task_states_due (project_id=?"]);
    assert!(!is_sorted_after_the_fact(&steps), "{steps:?}");
    let steps = plan(&file, PROJECTS_DUE, vec![1.into(), limit]).await;
    assert!(steps.iter().any(|step| step.contains("task_states_due (project_id=?")), "{steps:?}");
    assert!(!steps.iter().any(|step| step.contains("SCAN s")), "{steps:?}");
}

#[tokio::test]
async fn sqlite_lists_each_state_from_its_newest_end() {
    let folder = TempDir::new().unwrap();
    let file = file(&folder).await;
    let agent = || AgentId::parse("ann").ok();
    let parent = Some(TaskId::new(Uuid::from_u128(1)));
    let by_state = "task_states_listed (status=? AND project_id=?";
    let filters = [
        (TaskFilter::default(), [by_state; 3]),
        (TaskFilter::dead_letters(), [by_state; 3]),
        (TaskFilter { held_by: agent(), ..TaskFilter::default() }, [by_state; 3]),
        (TaskFilter { submitted_by: agent(), ..TaskFilter::default() }, [by_state, "autoindex_tasks", by_state]),
        (
            TaskFilter { parent, ..TaskFilter::default() },
            ["tasks_parent (project_id=? AND parent_id=?)", "autoindex_task_states", "INTEGER PRIMARY KEY"],
        ),
    ];
    for (filter, indexes) in filters {
        let (sql, values) = listed(SQLITE, &default_project(), &filter, None, PageSize::DEFAULT).unwrap();
        assert_only(&plan(&file, &sql, values).await, &indexes);
    }
    let steps = plan(&file, COUNTS, vec!["default".into()]).await;
    assert_only(&steps, &["COVERING INDEX task_states_listed"]);
}

#[test]
fn the_text_of_a_claim_depends_on_what_is_asked_for_and_not_on_how_much() {
    let text = |types: &[&str], labels: &[&str], keys: &[&str], rows_max| {
        let running = keys.iter().map(|key| (ConcurrencyKey::parse(key).unwrap(), 1)).collect();
        let filter = wanted(types, labels);
        let candidates = Candidates { filter: &filter, running: &running, after: None, rows_max };
        [DbBackend::Sqlite, DbBackend::Postgres]
            .map(|backend| claimable(Dialect(backend), &default_project(), candidates).0)
    };
    assert_eq!(text(&["a"], &["b"], &["c"], 1), text(&["x", "y"], &["v", "w"], &["t", "u"], 2_000));
    assert_eq!(text(&[], &[], &[], 1), text(&[], &[], &[], 2_000));
}
