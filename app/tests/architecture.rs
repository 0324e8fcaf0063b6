//! The rules of the code map, held by a test: which crate may know which, that every context is whole in every layer,
//! and the form of the files. A failure names the file and says what to do.
#![expect(clippy::expect_used, reason = "a test's helpers may give up")]

#[path = "architecture/source.rs"]
mod source;

use source::{Source, needs, sources};

/// The contexts. Each is a module of its name in every layer.
const CONTEXTS: [&str; 12] = [
    "agents",
    "alerts",
    "audit",
    "events",
    "handoffs",
    "idempotency",
    "identity",
    "locks",
    "memory",
    "messages",
    "webhooks",
    "work",
];

/// The layers, and where each keeps the module of a context (`*`).
const LAYERS: [(&str, &str); 6] = [
    ("domain", "domain/src/*.rs"),
    ("ports", "ports/src/*.rs"),
    ("sea", "adapters/src/sea/*.rs"),
    ("in_memory", "adapters/src/in_memory/*.rs"),
    ("contract", "adapters/tests/contract/*.rs"),
    ("app", "app/src/*.rs"),
];

/// Contexts that need no module of their own in a layer: context, layer, reason.
const NOT_WHOLE: [(&str, &str, &str); 1] =
    [("idempotency", "app", "the executor replays and records for every change; it is no use case of its own")];

/// Modules of the inner layers that are no contexts: layer, module, what it is.
const SHARED: [(&str, &str, &str); 8] = [
    ("domain", "ids", "typed ids of all contexts"),
    ("domain", "page", "limits and cursors of every list"),
    ("ports", "bell", "gateway to the other servers of a store"),
    ("ports", "calendar", "gateway to time patterns and time zones"),
    ("ports", "clock", "gateway to the time"),
    ("ports", "embedder", "gateway to what turns texts into vectors"),
    ("ports", "ids", "gateway that makes ids"),
    ("ports", "store", "the unit of work, the sum of the contexts' repositories"),
];

/// Modules of a context in the app that speak HTTP; all others of it are use cases.
const FRONT_DOORS: [&str; 5] = ["api", "bodies", "obstacles", "security", "views"];
/// Stands for those modules in the table below.
const DOORS: &str = "the front doors of the contexts";

const HTTP: &[&str] = &["app/src/http", "app/src/health", "app/src/wiring.rs", DOORS];

/// Where a crate may be named: the crate, the places, what to do elsewhere.
const NAMED_IN: [(&str, &[&str], &str); 5] = [
    ("sea_orm", &["adapters/", "migration/"], "databases are an adapter: speak to a port"),
    ("poem", HTTP, "HTTP is a front door: write it in an api.rs or views.rs of the context"),
    ("poem_openapi", HTTP, "HTTP is a front door: write it in an api.rs or views.rs of the context"),
    (
        "adapters",
        &["app/src/main.rs", "app/src/cli", "app/src/serve.rs", "app/src/store.rs", "app/src/wiring.rs"],
        "take a port, and let the start of the program choose its adapter",
    ),
    (
        "reqwest",
        &["adapters/", "tests/", "app/src/telemetry", "app/src/config"],
        "outgoing HTTP is an adapter, but for the exporter of telemetry",
    ),
];

/// Which crates of the workspace a crate may need. A crate that is not listed may need none.
const INWARDS: [(&str, &[&str]); 8] = [
    ("domain", &[]),
    ("ports", &["domain"]),
    ("migration", &[]),
    ("adapters", &["domain", "ports", "migration"]),
    ("pointsman", &["domain", "ports", "migration", "adapters"]),
    ("e2e", &[]),
    ("load", &[]),
    ("recall", &["e2e"]),
];

/// All that the innermost crates may need from outside the workspace.
const ONLY: [(&str, &[&str]); 2] = [
    (
        "domain",
        &["chrono", "rust-stemmers", "serde", "serde_json", "sha2", "thiserror", "unicode-normalization", "uuid"],
    ),
    ("ports", &["async-trait", "chrono", "thiserror"]),
];

/// What the domain may not say: it does not wait, and time, chance and the world come in as arguments.
const IMPURE: [&str; 11] = [
    "async",
    "await",
    "Utc::now",
    "SystemTime",
    "Instant::now",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "println!",
];

/// Longest file, in lines.
const LONGEST: usize = 400;
const LONGER_BECAUSE: &str = "// over 400 lines because: ";

fn hold(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn dependencies_point_inwards() {
    let needs = needs();
    let mut broken = Vec::new();
    for (name, of) in &needs {
        let Some((_, allowed)) = INWARDS.iter().find(|(listed, _)| listed == name) else {
            broken.push(format!("{name}: a new crate: say in INWARDS of app/tests/architecture.rs what it may need"));
            continue;
        };
        for need in of.build.iter().chain(&of.test) {
            if needs.contains_key(need) && !allowed.contains(&need.as_str()) {
                broken.push(format!(
                    "{name}/Cargo.toml: {name} may not need {need}, because dependencies point inwards: \
                     put a trait into ports and let the outer crate implement it"
                ));
            }
        }
    }
    for (name, _) in INWARDS {
        if !needs.contains_key(name) {
            broken.push(format!("{name} is no crate of the workspace: take it out of INWARDS"));
        }
    }
    hold(&broken);
}

#[test]
fn the_inner_crates_need_little_from_outside() {
    let needs = needs();
    let mut broken = Vec::new();
    for (name, only) in ONLY {
        for need in &needs[name].build {
            if !needs.contains_key(need) && !only.contains(&need.as_str()) {
                broken.push(format!(
                    "{name}/Cargo.toml: {need} is not among what {name} may need ({}): use it in adapters or app, \
                     behind a port",
                    only.join(", ")
                ));
            }
        }
    }
    hold(&broken);
}

#[test]
fn the_domain_is_pure() {
    let mut broken = Vec::new();
    for file in sources().iter().filter(|file| file.path.starts_with("domain/src/")) {
        for word in IMPURE {
            if file.says(word) {
                broken.push(format!(
                    "{}: the domain does not say `{word}`: take the value as an argument, or do it in the app",
                    file.path
                ));
            }
        }
    }
    hold(&broken);
}

#[test]
fn a_tool_is_named_where_it_belongs() {
    let mut broken = Vec::new();
    let sources = sources();
    for (word, places, instead) in NAMED_IN {
        let mut seen = 0;
        for file in sources.iter().filter(|file| file.ships() && file.says(word)) {
            seen += 1;
            let is_door = FRONT_DOORS.contains(&file.module()) && context(file).is_some();
            if !places.iter().any(|place| file.path.starts_with(place) || (*place == DOORS && is_door)) {
                broken.push(format!("{}: `{word}` is not named here: {instead}", file.path));
            }
        }
        assert!(seen > 0, "nothing names {word} any more: take it out of NAMED_IN");
    }
    hold(&broken);
}

#[test]
fn use_cases_do_not_know_who_calls_them() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for file in sources().iter().filter(|file| file.ships()) {
        let Some(context) = context(file) else { continue };
        if FRONT_DOORS.iter().any(|door| file.path.contains(&format!("/{door}"))) {
            continue;
        }
        seen += 1;
        for word in ["crate::http", "crate::cli", "crate::wiring", "crate::serve"] {
            if file.says(word) {
                broken.push(format!(
                    "{}: a use case of {context} does not name {word}: front doors call it, not the other way round",
                    file.path
                ));
            }
        }
    }
    assert!(seen > 0, "no use-case file was found: the test looks in the wrong places");
    hold(&broken);
}

/// The context of a file of the app: `app/src/<context>.rs` and those beneath it.
fn context(file: &Source) -> Option<&str> {
    let first = file.path.strip_prefix("app/src/")?.trim_end_matches(".rs").split('/').next()?;
    CONTEXTS.contains(&first).then_some(first)
}

#[test]
fn every_context_is_whole_in_every_layer() {
    let sources = sources();
    let mut broken = Vec::new();
    for context in CONTEXTS {
        for (layer, place) in LAYERS {
            let path = place.replace('*', context);
            let there = sources.iter().find(|file| file.path == path);
            let excused = NOT_WHOLE.iter().find(|(of, at, _)| *of == context && *at == layer);
            match (there, excused) {
                (None, None) => broken.push(format!(
                    "{path} is missing: write the {layer} part of {context}, or say in NOT_WHOLE of \
                     app/tests/architecture.rs why it needs none"
                )),
                (Some(_), Some((_, _, reason))) => broken.push(format!(
                    "{path} is there, so the exception (\"{reason}\") is no longer needed: take it out of NOT_WHOLE"
                )),
                (Some(file), None) if file.code().trim().is_empty() => {
                    broken.push(format!("{path} holds no code: write it, or take it away and say why in NOT_WHOLE"));
                }
                _ => {}
            }
        }
    }
    for (context, layer, reason) in NOT_WHOLE {
        if !CONTEXTS.contains(&context) || !LAYERS.iter().any(|(name, _)| *name == layer) || reason.is_empty() {
            broken.push(format!("NOT_WHOLE: ({context}, {layer}) names no context and layer, or gives no reason"));
        }
    }
    hold(&broken);
}

#[test]
fn every_module_of_an_inner_layer_is_a_context_or_shared() {
    let sources = sources();
    let mut broken = Vec::new();
    for layer in ["domain", "ports"] {
        let folder = format!("{layer}/src/");
        for file in sources.iter().filter(|file| file.path.strip_prefix(&folder).is_some_and(|at| !at.contains('/'))) {
            let module = file.module();
            let shared = SHARED.iter().any(|(of, name, _)| *of == layer && *name == module);
            let module = module.trim_end_matches("_tests");
            if module != "lib" && !CONTEXTS.contains(&module) && !shared {
                broken.push(format!(
                    "{}: a new context? Then add it to CONTEXTS of app/tests/architecture.rs. Else move it into the \
                     context it serves, or say in SHARED what it is",
                    file.path
                ));
            }
        }
        for (_, name, what) in SHARED.iter().filter(|(of, _, _)| *of == layer) {
            if !sources.iter().any(|file| file.path == format!("{folder}{name}.rs")) {
                broken.push(format!("{folder}{name}.rs ({what}) is no longer there: take it out of SHARED"));
            }
        }
    }
    hold(&broken);
}

#[test]
fn files_stay_short() {
    let mut broken = Vec::new();
    for file in sources() {
        let lines = file.text.lines().count();
        let reason = file.text.lines().take(20).find_map(|line| line.trim_start().strip_prefix(LONGER_BECAUSE));
        match reason {
            None if lines > LONGEST => broken.push(format!(
                "{}: {lines} lines, and {LONGEST} are allowed: split it by noun, or give the reason in its first 20 \
                 lines: `{LONGER_BECAUSE}…`",
                file.path
            )),
            Some(_) if lines <= LONGEST => {
                broken.push(format!("{}: it has {lines} lines, so take its `{LONGER_BECAUSE}` away", file.path));
            }
            Some(reason) if reason.trim().len() < 20 => {
                broken.push(format!("{}: `{reason}` is no reason to be {lines} lines long", file.path));
            }
            _ => {}
        }
    }
    hold(&broken);
}

#[test]
fn modules_have_names_that_say_something() {
    let mut broken = Vec::new();
    for file in sources() {
        if file.module() == "mod" {
            broken.push(format!("{}: write `foo.rs` beside `foo/`, not `mod.rs`", file.path));
        }
        for part in file.path.trim_end_matches(".rs").split('/') {
            if ["util", "utils", "common", "helper", "helpers", "misc"].contains(&part) {
                broken.push(format!("{}: `{part}` says nothing: name the module after what it holds", file.path));
            }
        }
    }
    hold(&broken);
}

#[test]
fn what_is_public_is_named() {
    let mut broken = Vec::new();
    for file in sources() {
        let code = file.code();
        for statement in code.split(';') {
            let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
            let exported = ["pub use ", "pub(crate) use ", "pub(super) use "];
            let Some((_, names)) = exported.iter().find_map(|start| words.rsplit_once(start)) else { continue };
            if names.contains('*') {
                broken.push(format!("{}: `pub use {names}`: name what is exported", file.path));
            }
        }
    }
    hold(&broken);
}
