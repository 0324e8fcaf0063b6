use std::net::SocketAddr;
use std::time::Duration;

use super::reference::{Kind, VARIABLES, dotenv, markdown};
use super::{Client, Config, ConfigErrors, Database, KeyRole, Retention, SqliteSynchronous};

fn read(variables: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
    Config::from_vars(variables.iter().copied())
}

fn faults(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    let errors = read(variables).map(|_| ()).expect_err("must be refused");
    errors.faults().iter().map(|fault| (fault.variable.clone(), fault.reason.clone())).collect()
}

fn assert_refused(variables: &[(&str, &str)], name: &str, words: &str) {
    let faults = faults(variables);
    assert!(
        faults.iter().any(|(variable, reason)| variable == name && reason.contains(words)),
        "no fault of {name} with {words:?} in {faults:?}"
    );
}

#[test]
fn nothing_set_is_a_loopback_server_on_sqlite() {
    let config = read(&[]).unwrap();
    assert!(matches!(config.database, Database::Sqlite { synchronous: SqliteSynchronous::Full }));
    assert_eq!(config.http.listen, SocketAddr::from(([127, 0, 0, 1], 8081)));
    assert!(config.http.is_loopback());
    assert_eq!(config.http.keep_alive, Duration::from_secs(5));
    assert_eq!(config.locks.ttl_default, Duration::from_hours(2));
    assert_eq!(
        config.retention,
        Retention {
            work_days: Some(14),
            handoffs_days: Some(90),
            memory_days: None,
            memory_worth_min: 6,
            messages_days: Some(30),
            audit_days: None,
            facts_days: Some(30)
        }
    );
    assert!(config.identity.keys.is_empty());
    assert!(config.telemetry.otlp.is_none());
    assert!(config.notices.is_empty());
}

#[test]
fn the_past_is_kept_for_as_many_days_as_were_said_or_for_ever() {
    let days = |work, audit, facts| {
        let given = [("RETENTION_WORK_DAYS", work), ("RETENTION_AUDIT_DAYS", audit), ("RETENTION_FACTS_DAYS", facts)];
        read(&given).unwrap().retention
    };
    let kept = |work_days, audit_days, facts_days| Retention {
        work_days,
        handoffs_days: Some(90),
        memory_days: None,
        memory_worth_min: 6,
        messages_days: Some(30),
        audit_days,
        facts_days,
    };
    assert_eq!(days("0", "365", "1"), kept(None, Some(365), Some(1)));
    assert_eq!(days("36500", "0", "0"), kept(Some(36_500), None, None));
    assert_refused(&[("RETENTION_AUDIT_DAYS", "-1")], "RETENTION_AUDIT_DAYS", "whole number");
    assert_refused(&[("RETENTION_WORK_DAYS", "36501")], "RETENTION_WORK_DAYS", "whole number");
    assert_refused(&[("RETENTION_AUDIT_DAY", "1")], "RETENTION_AUDIT_DAY", "did you mean RETENTION_AUDIT_DAYS");
}

#[test]
fn an_empty_value_counts_as_not_set() {
    let config = read(&[("API_PORT", ""), ("DB_BACKEND", " "), ("COORDINATION_API_KEYS", "")]).unwrap();
    assert_eq!(config.http.listen.port(), 8081);
}

#[test]
fn a_platform_port_opens_both_families() {
    let config = read(&[("PORT", "5000")]).unwrap();
    assert_eq!(config.http.listen, "[::]:5000".parse().unwrap());
    assert!(!config.http.is_loopback());
    let config = read(&[("PORT", "5000"), ("API_PORT", "6000"), ("API_HOST", "[::1]")]).unwrap();
    assert_eq!(config.http.listen, "[::1]:6000".parse().unwrap());
    assert!(config.http.is_loopback());
    assert_eq!(config.notices.len(), 1);
}

#[test]
fn an_ipv4_loopback_written_as_ipv6_is_loopback() {
    assert!(read(&[("API_HOST", "::ffff:127.0.0.1")]).unwrap().http.is_loopback());
}

#[test]
fn every_fault_is_told_at_once() {
    let names: Vec<String> =
        faults(&[("API_PORT", "x"), ("API_WORKERS", "0"), ("LOCK_TTL_MINUTES", "481"), ("API_ACCESS_LOG", "maybe")])
            .into_iter()
            .map(|(name, _)| name)
            .collect();
    assert_eq!(names, ["API_PORT", "API_WORKERS", "API_ACCESS_LOG", "LOCK_TTL_MINUTES"]);
}

#[test]
fn numbers_keep_their_bounds() {
    for variable in VARIABLES {
        let Kind::Number { min, max } = variable.kind else { continue };
        if variable.name == "AGENT_COORDINATOR_DB_PORT" {
            continue;
        }
        let too_much = (max + 1).to_string();
        assert_refused(&[(variable.name, &too_much)], variable.name, &max.to_string());
        assert_refused(&[(variable.name, "-1")], variable.name, "whole number");
        if min > 0 {
            let too_little = (min - 1).to_string();
            assert_refused(&[(variable.name, &too_little)], variable.name, &min.to_string());
        }
    }
}

#[test]
fn defaults_and_examples_of_numbers_are_inside_their_bounds() {
    for variable in VARIABLES {
        let Kind::Number { min, max } = variable.kind else { continue };
        for value in [variable.default, variable.example].into_iter().filter(|value| !value.is_empty()) {
            let number: u64 = value.parse().unwrap();
            assert!((min..=max).contains(&number), "{}={value}", variable.name);
        }
    }
}

#[test]
fn every_example_is_accepted() {
    let all: Vec<(&str, &str)> = VARIABLES.iter().map(|variable| (variable.name, variable.example)).collect();
    let config = read(&all).unwrap();
    assert!(matches!(config.database, Database::Postgres(_)));
    assert_eq!(config.identity.keys[0].identity.as_ref().unwrap().agent_id, "claude-1");
    Client::from_vars(all).unwrap();
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_one() {
    assert_refused(&[("API_PROT", "1")], "API_PROT", "did you mean API_PORT?");
    assert_refused(&[("POSTGRES_POOL_SIZE_MAX", "1")], "POSTGRES_POOL_SIZE_MAX", "not a variable of Pointsman");
    assert_refused(&[("POINTSMAN_ZZZZZZZZZZZZZ", "1")], "POINTSMAN_ZZZZZZZZZZZZZ", "docs/configuration.md");
    read(&[("OTEL_BSP_SCHEDULE_DELAY", "1"), ("HOME", "/"), ("TEST_POSTGRES_DSN", "x")]).unwrap();
}

#[test]
fn names_that_others_put_there_are_passed_over() {
    read(&[
        ("POSTGRES_PASSWORD", "x"),
        ("POINTSMAN_SERVICE_HOST", "10.0.0.1"),
        ("POINTSMAN_SERVICE_PORT_HTTP", "80"),
        ("POINTSMAN_PORT", "tcp://10.0.0.1:80"),
        ("POINTSMAN_PORT_80_TCP_ADDR", "10.0.0.1"),
    ])
    .unwrap();
    assert_refused(&[("POINTSMAN_PORT", "80")], "POINTSMAN_PORT", "not a variable");
    assert_refused(&[("API_PORT", "tcp://10.0.0.1:80")], "API_PORT", "enableServiceLinks");
}

#[test]
fn the_postgres_dsn_and_its_alias_must_agree() {
    let dsn = "postgres://u:p@h/d";
    let both = |alias| [("DB_BACKEND", "postgres"), ("POSTGRES_DSN", dsn), ("DATABASE_URL", alias)];
    read(&both(dsn)).unwrap();
    assert_refused(&both("postgres://u:p@h/other"), "DATABASE_URL", "differ");
    assert_refused(&[("DB_BACKEND", "postgres")], "POSTGRES_DSN", "needed");
    assert_refused(&[("POSTGRES_DSN", dsn)], "DB_BACKEND", "not set though");
    assert_refused(&[("DB_BACKEND", "supabase")], "DB_BACKEND", "PostgREST");
    assert_refused(&[("DB_BACKEND", "postgres"), ("DATABASE_URL", "mysql://h/d")], "DATABASE_URL", "postgres://");
    assert_eq!(read(&[("DATABASE_URL", "mysql://h/d")]).unwrap().notices.len(), 1);
    let Database::Postgres(postgres) = read(&[("DB_BACKEND", "postgres"), ("DATABASE_URL", dsn)]).unwrap().database
    else {
        panic!("another store")
    };
    assert_eq!(postgres.dsn.expose(), dsn);
    assert_eq!((postgres.pool_min, postgres.pool_max), (2, 10));
}

#[test]
fn pool_and_timeouts_must_be_in_order() {
    assert_refused(&[("POSTGRES_POOL_MIN", "11")], "POSTGRES_POOL_MIN", "POSTGRES_POOL_MAX");
    assert_refused(&[("POSTGRES_LOCK_TIMEOUT_SECONDS", "6")], "POSTGRES_LOCK_TIMEOUT_SECONDS", "STATEMENT_TIMEOUT");
    let quick =
        [("DB_BACKEND", "postgres"), ("POSTGRES_DSN", "postgres://h/d"), ("POSTGRES_STATEMENT_TIMEOUT_SECONDS", "1")];
    let Database::Postgres(postgres) = read(&quick).unwrap().database else { panic!("another store") };
    assert_eq!(postgres.lock_timeout, Duration::from_secs(1));
}

#[test]
fn keys_are_bound_to_identities() {
    let config = read(&[
        ("COORDINATION_API_KEYS", "key-number-one-xx, key-number-two-xx"),
        (
            "COORDINATION_API_KEY_IDENTITIES",
            r#"{"key-number-two-xx":{"agent_id":"a","agent_type":"t","project":"p","role":"admin"}}"#,
        ),
    ])
    .unwrap();
    assert!(config.identity.keys[0].identity.is_none());
    let identity = config.identity.keys[1].identity.as_ref().unwrap();
    assert_eq!((identity.agent_id.as_str(), identity.role), ("a", KeyRole::Admin));
    assert_eq!(identity.project.as_deref(), Some("p"));
    assert!(config.notices.is_empty());
}

#[test]
fn faulty_keys_are_refused() {
    let refused =
        |keys: &str, words: &str| assert_refused(&[("COORDINATION_API_KEYS", keys)], "COORDINATION_API_KEYS", words);
    refused("short", "bytes long");
    refused(&"x".repeat(257), "bytes long");
    refused("with a space inside", "printable ASCII");
    refused("kéy-number-one-x", "printable ASCII");
    refused("key-number-one-xx,key-number-one-xx", "twice");
    let many: Vec<String> = (0..1001).map(|n| format!("key-number-{n:08}")).collect();
    refused(&many.join(","), "more than 1000");
    assert_eq!(read(&[("COORDINATION_API_KEYS", "eightbyt")]).unwrap().notices.len(), 1);
}

#[test]
fn faulty_identities_are_refused() {
    let refused = |json: &str, words: &str| {
        assert_refused(
            &[("COORDINATION_API_KEYS", "key-number-one-xx"), ("COORDINATION_API_KEY_IDENTITIES", json)],
            "COORDINATION_API_KEY_IDENTITIES",
            words,
        );
    };
    refused("{", "not JSON");
    refused("[]", "one JSON object");
    refused(r#""key-number-one-xx""#, "one JSON object");
    refused(r#"{"key-number-one-xx":"agent"}"#, "entry 1: is not a JSON object");
    refused(r#"{"key-number-one-xx":{"agent_id":"a"}}"#, "agent_type is missing");
    refused(r#"{"key-number-one-xx":{"agent_id":"a","agent_type":"t","x":1}}"#, "has a field that is not");
    refused(r#"{"key-number-one-xx":{"agent_id":"a","agent_id":"b","agent_type":"t"}}"#, "agent_id twice");
    refused(r#"{"key-number-one-xx":{"agent_id":"","agent_type":"t"}}"#, "agent_id must be");
    refused(r#"{"key-number-one-xx":{"agent_id":"a","agent_type":7}}"#, "agent_type must be");
    refused(r#"{"key-number-one-xx":{"agent_id":"a","agent_type":"t","role":"root"}}"#, "role must be");
    refused(r#"{"other":{"agent_id":"a","agent_type":"t"}}"#, "not in COORDINATION_API_KEYS");
    let twice = r#"{"key-number-one-xx":{"agent_id":"a","agent_type":"t"},"key-number-one-xx":{"agent_id":"b","agent_type":"t"}}"#;
    refused(twice, "already has an identity");
}

#[test]
fn nothing_prints_a_secret() {
    let variables = [
        ("DB_BACKEND", "postgres"),
        ("POSTGRES_DSN", "postgres://u:hunter22@h/d"),
        ("COORDINATION_API_KEYS", "hunter22-hunter22"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=hunter22"),
    ];
    let config = read(&variables).unwrap();
    assert!(!format!("{config:?} {config:#?}").contains("hunter22"));
    let broken = [
        ("DB_BACKEND", "postgres"),
        ("POSTGRES_DSN", "hunter22"),
        ("DATABASE_URL", "other-hunter22"),
        ("COORDINATION_API_KEYS", "hunter22 hunter22,hunter22-hunter22,hunter22-hunter22"),
        ("COORDINATION_API_KEY_IDENTITIES", r#"{"hunter22":"hunter22","hunter22":{"hunter22":1}}"#),
        ("API_PORT", "hunter22"),
    ];
    let errors = read(&broken).map(|_| ()).expect_err("must be refused");
    assert!(!format!("{errors} {errors:?}").contains("hunter22"), "{errors}");
}

#[test]
fn grpc_is_refused_in_words() {
    assert_refused(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    assert_refused(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317")], "OTEL_EXPORTER_OTLP_ENDPOINT", "http://");
    let otlp = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/")]).unwrap().telemetry.otlp.unwrap();
    assert_eq!(otlp.traces_endpoint, "http://c:4318/v1/traces");
    let disabled = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"), ("OTEL_SDK_DISABLED", "true")];
    assert!(read(&disabled).unwrap().telemetry.otlp.is_none());
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_refused() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    let raw = OsString::from_vec(vec![0xff]);
    let errors = Config::from_vars([(OsString::from("API_HOST"), raw)]).map(|_| ()).expect_err("must be refused");
    assert!(errors.to_string().contains("UTF-8"));
}

#[test]
fn the_client_section_guards_the_key() {
    let client =
        Client::from_vars([("API_PORT", "9000"), ("COORDINATION_ALLOWED_HOSTS", "A.example.com, *.b.example")])
            .unwrap();
    assert_eq!(client.url, "http://127.0.0.1:9000");
    assert_eq!(client.allowed_hosts, ["a.example.com", "*.b.example"]);
    for url in ["ftp://h", "nonsense", "http://user:pass@h/"] {
        assert!(Client::from_vars([("COORDINATION_API_URL", url)]).is_err(), "{url}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a switch of this test, not a setting of the server")]
fn the_committed_documents_are_the_generated_ones() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for (path, generated) in [("docs/configuration.md", markdown()), (".env.example", dotenv())] {
        let file = format!("{root}/{path}");
        if std::env::var_os("WRITE_DOCUMENTS").is_some() {
            std::fs::write(&file, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(committed, generated, "{path} is stale: run `pointsman docs` again");
    }
}
