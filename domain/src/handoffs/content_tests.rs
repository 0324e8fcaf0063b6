use super::*;

fn items(count: usize) -> Vec<Item> {
    (0..count).map(|n| Item::parse(&format!("thing {n}")).unwrap()).collect()
}

#[test]
fn each_list_has_a_limit_that_is_named_when_it_is_passed() {
    let full = Lists { next_steps: items(Content::ITEMS_MAX), ..Lists::default() };
    assert!(Content::try_new(full).is_ok());
    let over = Lists { next_steps: items(Content::ITEMS_MAX + 1), ..Lists::default() };
    let refused = Content::try_new(over).unwrap_err();
    assert_eq!(refused, InvalidContent::TooMany { field: "next_steps", given: 101, max: 100 });
    let file = |n: usize| FileName::parse(&format!("src/f{n}.rs")).unwrap();
    let over = Lists { files: (0..=Content::FILES_MAX).map(file).collect(), ..Lists::default() };
    assert_eq!(Content::try_new(over).unwrap_err().field(), "files");
}

#[test]
fn all_lists_together_have_a_limit_too() {
    let long = || vec![Item::parse(&"x".repeat(Item::BYTES_MAX)).unwrap(); 64];
    let half = Lists { completed: long(), decisions: long(), ..Lists::default() };
    assert!(Content::try_new(half.clone()).is_ok());
    let link = Link::parse(LinkKind::Commit, "0123abc").unwrap();
    let over = Lists { links: vec![link], ..half };
    assert_eq!(Content::try_new(over), Err(InvalidContent::TooLong { bytes: 256 * 1024 + 7 }));
}

#[test]
fn a_file_has_one_spelling_and_what_is_no_path_is_kept_as_it_is() {
    assert_eq!(FileName::parse("./src//main.rs").unwrap(), FileName::parse("src/main.rs").unwrap());
    assert_eq!(FileName::parse("/etc/hosts").unwrap().as_str(), "/etc/hosts");
    assert_eq!(FileName::parse(" C:\\notes.txt ").unwrap().as_str(), "C:\\notes.txt");
    for bad in ["", "  ", "a\u{7}b", &"a".repeat(FileName::BYTES_MAX + 1)] {
        assert!(FileName::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_link_leads_to_what_its_kind_says() {
    let id = "tsk_0000000000000000000000000000002a";
    assert_eq!(Link::parse(LinkKind::Task, id).unwrap().target(), id);
    assert!(Link::parse(LinkKind::Message, id).is_err());
    assert_eq!(Link::parse(LinkKind::Lock, "./a//b").unwrap().target(), "a/b");
    assert_eq!(Link::parse(LinkKind::Commit, "ABCDEF0").unwrap().target(), "abcdef0");
    assert!(Link::parse(LinkKind::Commit, "abcdef").is_err(), "six digits name no commit");
    assert!(Link::parse(LinkKind::Url, "https://example.org/a?b#c").is_ok());
    for bad in ["ftp://example.org", "https://", "https://a b", "javascript:alert(1)"] {
        assert!(Link::parse(LinkKind::Url, bad).is_err(), "{bad}");
    }
    let long = format!("https://{}", "a".repeat(Link::BYTES_MAX));
    assert!(Link::parse(LinkKind::Url, &long).is_err());
}

#[test]
fn what_is_stored_is_read_back_and_checked() {
    let lists = Lists {
        completed: items(2),
        files: BTreeSet::from([FileName::parse("src/a.rs").unwrap()]),
        links: vec![Link::parse(LinkKind::Url, "https://example.org").unwrap()],
        ..Lists::default()
    };
    let content = Content::try_new(lists).unwrap();
    let text = serde_json::to_string(&content).unwrap();
    assert_eq!(serde_json::from_str::<Content>(&text).unwrap(), content);
    let bad = r#"{"links":[{"kind":"url","target":"nowhere"}]}"#;
    assert!(serde_json::from_str::<Content>(bad).is_err());
}
