//! Spellings, refusals and overlaps of lock keys.

use super::*;

fn key(text: &str) -> LockKey {
    LockKey::parse(text).unwrap()
}

#[test]
fn one_thing_has_one_spelling() {
    for (given, canonical) in [
        ("a/b", "a/b"),
        ("./a//b", "a/b"),
        ("././a/./b", "a/b"),
        ("src/**", "src/**"),
        ("./src//**", "src/**"),
        ("**", "**"),
        ("./**", "**"),
        ("pages/[id].tsx", "pages/[id].tsx"),
        ("cafe\u{301}.md", "café.md"),
        ("api:get /users//{id}", "api:GET /users/{id}"),
        ("api:GET /", "api:GET /"),
        ("api:GET /users/**", "api:GET /users/**"),
        ("api:GET /**", "api:GET /**"),
        ("db:migration-slot", "db:migration-slot"),
        ("db:schema:Users", "db:schema:users"),
        ("event:Orders.Created", "event:orders.created"),
        ("flag:billing/*", "flag:billing/**"),
        ("env:STAGING_DB", "env:STAGING_DB"),
        ("contract:./openapi//v1.yaml", "contract:openapi/v1.yaml"),
        ("feature:f-12:pause", "feature:f-12:pause"),
    ] {
        assert_eq!(key(given).as_str(), canonical, "{given}");
        assert_eq!(key(canonical).as_str(), canonical, "{given} twice");
    }
}

#[test]
fn what_is_no_key_is_told_why() {
    use InvalidLockKey as I;
    let wrong = |text: &str| LockKey::parse(text).unwrap_err();
    assert!(matches!(wrong(""), I::Empty));
    assert!(matches!(wrong("."), I::Empty));
    assert!(matches!(wrong("/etc/passwd"), I::Absolute(_)));
    assert!(matches!(wrong("C:/x"), I::Absolute(_)));
    assert!(matches!(wrong("a/../b"), I::Upwards(_)));
    assert!(matches!(wrong("a\\b"), I::Backslash(_)));
    assert!(matches!(wrong("a\nb"), I::Invisible { code: 10 }));
    assert!(matches!(wrong("a\u{200B}b"), I::Invisible { .. }));
    assert!(matches!(wrong("a/b "), I::Blank(_)));
    assert!(matches!(wrong("src/"), I::TrailingSlash(_)));
    assert!(matches!(wrong("src/*.rs"), I::Pattern(_)));
    assert!(matches!(wrong("src/**/x"), I::Pattern(_)));
    assert!(matches!(wrong("gpu:0"), I::UnknownNamespace { .. }));
    assert!(wrong("gpu:0").to_string().contains("`feature:`"));
    assert!(matches!(wrong("api:users"), I::Form { .. }));
    assert!(matches!(wrong("api:GET  /x"), I::Form { .. }));
    assert!(matches!(wrong("db:users"), I::Form { .. }));
    assert!(matches!(wrong("event:a..b"), I::Form { .. }));
    assert!(matches!(wrong("feature:x"), I::Form { .. }));
    assert!(matches!(wrong("contract:**"), I::Empty));
    assert!(matches!(wrong("flag:../x"), I::Upwards(_)));
    assert!(LockKey::parse(&"a".repeat(LockKey::BYTES_MAX)).is_ok());
    assert!(matches!(wrong(&"a".repeat(LockKey::BYTES_MAX + 1)), I::TooLong { .. }));
}

#[test]
fn overlap_is_judged_both_ways_round_and_on_whole_segments() {
    for (a, b, expected) in [
        ("src/a.rs", "src/a.rs", true),
        ("src/a.rs", "src/b.rs", false),
        ("src/**", "src/a.rs", true),
        ("src/**", "src", true),
        ("src/**", "src2/a.rs", false),
        ("src/**", "srcx", false),
        ("src/**", "src/deep/er/**", true),
        ("src", "src/a.rs", false),
        ("**", "src/a.rs", true),
        ("**", "src/**", true),
        ("**", "db:schema:users", false),
        ("**", "contract:a/b", false),
        ("api:GET /**", "api:GET /users", true),
        ("api:GET /**", "api:POST /users", false),
        ("contract:openapi/**", "contract:openapi/v1.yaml", true),
        ("contract:openapi/**", "openapi/v1.yaml", false),
        ("flag:billing/*", "flag:billing/new", true),
    ] {
        assert_eq!(key(a).overlaps(&key(b)), expected, "{a} and {b}");
        assert_eq!(key(b).overlaps(&key(a)), expected, "{b} and {a}");
    }
}

#[test]
fn the_scope_of_a_key_holds_everything_that_overlaps() {
    let keys = [
        "a",
        "a/b",
        "a/b/c",
        "a/**",
        "a/b/**",
        "**",
        "ab",
        "ab/c",
        "a0",
        "db:schema:a",
        "api:GET /",
        "api:GET /**",
        "api:GET /x",
        "api:GET /x/y",
        "api:GET /x/**",
        "contract:a/b",
        "contract:a/**",
        "flag:a/**",
        "flag:a",
    ]
    .map(key);
    for wanted in &keys {
        let scope = KeyScope::overlapping([wanted]);
        for other in &keys {
            assert!(!wanted.overlaps(other) || scope.contains(other), "{wanted} must find {other}");
        }
    }
    assert!(!KeyScope::overlapping([&key("a/b")]).contains(&key("ab")));
}
