use super::*;
use crate::ids::AgentId;
use crate::memory::procedures::content::{AvoidWhen, HowToWords, ProcedureTitle, Step};
use crate::memory::procedures::evidence::Evidence;
use crate::memory::procedures::{Draft, Retired, Verdict};
use chrono::DateTime;

fn project() -> ProjectId {
    ProjectId::parse("default").unwrap()
}

struct Shelf {
    procedures: Vec<Procedure>,
    postings: Vec<Posting>,
}

impl Shelf {
    fn new() -> Self {
        Self { procedures: Vec::new(), postings: Vec::new() }
    }

    fn with(mut self, name: &str, title: &str, steps: &[&str], reports: (usize, usize)) -> Self {
        let how = HowTo::try_new(HowToWords {
            title: ProcedureTitle::parse(title).unwrap(),
            description: None,
            task_types: BTreeSet::from([TaskType::parse("chore").unwrap()]),
            preconditions: Vec::new(),
            applies_when: None,
            avoid_when: AvoidWhen::parse("never on a submarine").ok(),
            steps: steps.iter().map(|step| Step::parse(step).unwrap()).collect(),
            tags: BTreeSet::from([Tag::parse("Green").unwrap()]),
        });
        let draft = Draft { name: ProcedureName::parse(name).unwrap(), how: how.unwrap(), if_version: None };
        let by = AgentId::parse("ann").unwrap();
        let mut procedure = Procedure::write(&draft, None, 0, &by, DateTime::UNIX_EPOCH).unwrap().procedure;
        let reports = [(Verdict::Success, reports.0), (Verdict::Failure, reports.1)];
        let each = reports.into_iter().flat_map(|(verdict, times)| std::iter::repeat_n(verdict, times));
        procedure.evidence = each.fold(Evidence::default(), |evidence, verdict| evidence.with(verdict, 0));
        self.procedures.push(procedure);
        self.postings.extend(postings(&project(), &draft.name, &draft.how));
        self
    }

    fn search(&self, query: &str) -> Vec<String> {
        let terms = ProcedureQuery::parse(query).unwrap().terms(&project());
        let filter = ProcedureFilter::default();
        names(&find(self.procedures.clone(), &filter, Some((&terms, &self.postings)), None, PageSize::DEFAULT))
    }

    fn list(&self, filter: &ProcedureFilter) -> Vec<String> {
        names(&find(self.procedures.clone(), filter, None, None, PageSize::DEFAULT))
    }
}

fn names(page: &Page<FoundProcedure, ProcedureCursor>) -> Vec<String> {
    page.rows.iter().map(|found| found.procedure.name.to_string()).collect()
}

fn shelf() -> Shelf {
    Shelf::new()
        .with("rotate-keys", "Rotate the signing keys", &["Make a key", "Tell everyone"], (1, 0))
        .with("flaky_tests", "Mend a flaky test", &["Run it a hundred times", "Look for the clock"], (9, 1))
        .with("roll-back", "Take a release back", &["Find the release before", "Deploy it"], (0, 5))
}

#[test]
fn words_find_what_is_about_them() {
    let shelf = shelf();
    assert_eq!(shelf.search("tests that are flaky"), ["flaky_tests"]);
    assert_eq!(shelf.search("how do I rotate a key?"), ["rotate-keys"]);
    assert_eq!(shelf.search("deploying releases"), ["roll-back"], "in whatever form");
    assert_eq!(shelf.search("flaky_tests"), ["flaky_tests"], "by name");
    assert_eq!(shelf.search("green").len(), 3, "by tag");
    assert_eq!(shelf.search("submarine"), Vec::<String>::new(), "when not to is no reason to");
    assert_eq!(shelf.search("\" OR 1=1 -- NEAR( *"), Vec::<String>::new());
}

#[test]
fn of_two_that_fit_alike_the_proven_one_comes_first() {
    let shelf = Shelf::new()
        .with("a", "Mend a flaky test", &["Wait"], (1, 3))
        .with("b", "Mend a flaky test", &["Wait"], (30, 3))
        .with("c", "Mend a flaky test", &["Wait"], (1, 0));
    assert_eq!(shelf.search("flaky test"), ["b", "c", "a"]);
    let better = shelf.with("d", "Flaky flaky test test", &["Flaky test"], (0, 0));
    assert_eq!(better.search("flaky test").first().map(String::as_str), Some("b"), "words move it by so much alone");
}

#[test]
fn without_words_the_lower_end_is_the_order_and_filters_must_all_fit() {
    let mut shelf = shelf();
    let any = ProcedureFilter::default();
    assert_eq!(shelf.list(&any), ["flaky_tests", "rotate-keys", "roll-back"]);
    let of_type = |name| ProcedureFilter { task_type: TaskType::parse(name).ok(), ..ProcedureFilter::default() };
    assert_eq!(shelf.list(&of_type("chore")).len(), 3);
    assert_eq!(shelf.list(&of_type("other")).len(), 0);
    let tagged = ProcedureFilter { tag: Tag::parse("green").ok(), ..of_type("chore") };
    assert_eq!(shelf.list(&tagged).len(), 3);
    let retired = Retired { by: AgentId::parse("ann").unwrap(), at: DateTime::UNIX_EPOCH, reason: None };
    shelf.procedures[1].retired = Some(retired);
    assert_eq!(shelf.list(&any), ["rotate-keys", "roll-back"]);
    assert_eq!(shelf.list(&ProcedureFilter { with_retired: true, ..any }).len(), 3);
    assert_eq!(shelf.search("flaky"), Vec::<String>::new());
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap() {
    let shelf = shelf().with("x", "X", &["x"], (1, 0)).with("y", "Y", &["y"], (1, 0));
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let size = PageSize::try_new(2).unwrap();
        let page = find(shelf.procedures.clone(), &ProcedureFilter::default(), None, after.as_ref(), size);
        seen.extend(names(&page));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["flaky_tests", "rotate-keys", "x", "y", "roll-back"]);
}

#[test]
fn what_is_searched_by_is_the_projects_own() {
    let other = ProjectId::parse("other").unwrap();
    let query = ProcedureQuery::parse("flaky").unwrap();
    assert_ne!(query.terms(&project()), query.terms(&other));
    assert!(ProcedureQuery::parse(" \n").is_err() && ProcedureQuery::parse(&"x".repeat(4_097)).is_err());
}
