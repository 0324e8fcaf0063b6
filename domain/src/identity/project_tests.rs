//! The life of a project.

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn id(name: &str) -> ProjectId {
    ProjectId::parse(name).unwrap()
}

#[test]
fn a_name_is_given_once_and_not_again_after_archiving() {
    let project = create(None, id("a"), now()).unwrap();
    assert_eq!(project, Project { id: id("a"), created_at: now(), archived_at: None });
    assert_eq!(create(Some(&project), id("a"), now()), Err(ProjectRefusal::Exists { id: id("a") }));
    let archived = archive(Some(project), &id("a"), now()).unwrap();
    assert_eq!(create(Some(&archived), id("a"), now()), Err(ProjectRefusal::Exists { id: id("a") }));
}

#[test]
fn an_archived_project_can_only_be_read() {
    let project = create(None, id("a"), now()).unwrap();
    assert_eq!(writable(Some(&project), &id("a")), Ok(()));
    let archived = archive(Some(project), &id("a"), now()).unwrap();
    assert_eq!(archived.archived_at, Some(now()));
    let refusal = ProjectRefusal::Archived { id: id("a") };
    assert_eq!(writable(Some(&archived), &id("a")), Err(refusal.clone()));
    assert_eq!(archive(Some(archived), &id("a"), now()), Err(refusal));
}

#[test]
fn default_stays() {
    let default = create(None, id(DEFAULT_PROJECT), now()).unwrap();
    assert_eq!(archive(Some(default), &id(DEFAULT_PROJECT), now()), Err(ProjectRefusal::DefaultStays));
}

#[test]
fn what_does_not_exist_is_unknown() {
    assert_eq!(writable(None, &id("a")), Err(ProjectRefusal::Unknown { id: id("a") }));
    assert_eq!(archive(None, &id("a"), now()), Err(ProjectRefusal::Unknown { id: id("a") }));
}
