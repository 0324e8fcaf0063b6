//! The first start.

use crate::server::{Server, config, memory};
use domain::identity::key::SecretHash;
use domain::identity::principal::Scope;
use domain::page::PageSize;
use pointsman::config::{Config, Data};
use pointsman::identity::bootstrap::{BootstrapError, Welcome, key_file, prepare};
use pointsman::identity::env_keys::EnvKeys;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

fn folder() -> (TempDir, Data) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("deep/data");
    (root, Data { folder })
}

fn file(data: &Data) -> PathBuf {
    data.folder.join(key_file::KEY_FILE_NAME)
}

fn no_env() -> EnvKeys {
    EnvKeys::new(&Config::from_vars([("API_PORT", "0")]).unwrap().identity).unwrap()
}

async fn start(server: &Server, data: &Data) -> Result<Welcome, BootstrapError> {
    prepare(&server.executor, &no_env(), data, true).await
}

fn token(data: &Data) -> String {
    key_file::read(data).unwrap().unwrap().expose().to_owned()
}

async fn keys(server: &Server) -> Vec<(String, SecretHash, bool)> {
    let mut uow = server.store.begin_read().await.unwrap();
    let page = uow.key_list(None, None, PageSize::DEFAULT).await.unwrap();
    page.rows.into_iter().map(|key| (key.id.to_string(), key.secret_hash, key.scope == Scope::AllProjects)).collect()
}

#[tokio::test]
async fn the_first_start_makes_an_admin_key_and_later_ones_none() {
    let (server, (_root, data)) = (Server::over(memory()), folder());
    assert!(start(&server, &data).await.unwrap().is_first());
    let made = token(&data);
    let me = server.get("/v1/me", &made).await.expect(200);
    assert_eq!((me.text("/agent"), me.text("/role")), ("admin", "admin"));
    assert_eq!(me.body["all_projects"], Value::Bool(true));
    server.get("/v1/projects", &made).await.expect(200);

    assert!(!start(&server, &data).await.unwrap().is_first());
    assert_eq!(token(&data), made);
    assert_eq!(keys(&server).await.len(), 1);
    let told = server.told("default").await;
    assert_eq!(told, [["key.create", me.text("/key_id"), "pointsman", "ok"].map(str::to_owned)]);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (server, (_root, data)) = (Server::over(memory()), folder());
    start(&server, &data).await.unwrap();
    let mode = |path: &PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&file(&data)), 0o600);
    assert_eq!(mode(&data.folder), 0o700);
    assert_eq!(fs::read_dir(&data.folder).unwrap().count(), 1, "nothing else is left behind");

    // One that others can read is not used, neither by a start nor by the command line.
    fs::set_permissions(file(&data), fs::Permissions::from_mode(0o640)).unwrap();
    let refused = start(&Server::over(memory()), &data).await.err().unwrap().to_string();
    assert!(refused.contains("chmod 600"), "{refused}");
    assert!(key_file::read(&data).is_err());
}

#[tokio::test]
async fn servers_that_start_together_make_one_key_between_them() {
    let store = memory();
    let servers = [0; 3].map(|_| (Server::over(store.clone()), folder()));
    let [(a, (_a, in_a)), (b, (_b, in_b)), (c, (_c, in_c))] = &servers;
    let started = tokio::join!(start(a, in_a), start(b, in_b), start(c, in_c));
    let first = [started.0.unwrap().is_first(), started.1.unwrap().is_first(), started.2.unwrap().is_first()];
    assert_eq!(first.iter().filter(|&&is_first| is_first).count(), 1);
    assert_eq!(keys(a).await.len(), 1);
    for (data, is_first) in [in_a, in_b, in_c].into_iter().zip(first) {
        assert_eq!(file(data).exists(), is_first, "the file stands where the key was made");
        if is_first {
            b.get("/v1/me", &token(data)).await.expect(200);
        }
    }
}

#[tokio::test]
async fn servers_of_one_folder_share_its_file() {
    let (store, (_root, data)) = (memory(), folder());
    let (one, other) = (Server::over(store.clone()), Server::over(store));
    let started = tokio::join!(start(&one, &data), start(&other, &data));
    assert!(started.0.unwrap().is_first() ^ started.1.unwrap().is_first());
    one.get("/v1/me", &token(&data)).await.expect(200);
}

#[tokio::test]
async fn a_key_in_the_file_is_taken_up_by_an_empty_store() {
    let (_root, data) = folder();
    start(&Server::over(memory()), &data).await.unwrap();
    let kept = token(&data);
    let anew = Server::over(memory());
    assert!(start(&anew, &data).await.unwrap().is_first());
    assert_eq!(token(&data), kept);
    anew.get("/v1/me", &kept).await.expect(200);
}

#[tokio::test]
async fn a_revoked_first_key_is_replaced() {
    let (server, (_root, data)) = (Server::over(memory()), folder());
    start(&server, &data).await.unwrap();
    let spent = token(&data);
    let id = server.get("/v1/me", &spent).await.text("/key_id").to_owned();
    server.post(&format!("/v1/keys/{id}/revoke"), &spent, Value::Null).await.expect(200);
    assert!(start(&server, &data).await.unwrap().is_first());
    assert_ne!(token(&data), spent);
    server.get("/v1/me", &spent).await.expect(401);
    server.get("/v1/me", &token(&data)).await.expect(200);
}

#[tokio::test]
async fn a_file_with_something_else_in_it_is_left_alone() {
    for text in ["", "\n", "not a key\n", "pm_k1_short\n"] {
        let (server, (_root, data)) = (Server::over(memory()), folder());
        fs::create_dir_all(&data.folder).unwrap();
        fs::write(file(&data), text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(file(&data), fs::Permissions::from_mode(0o600)).unwrap();
        }
        let refused = start(&server, &data).await.err().unwrap().to_string();
        assert!(refused.contains("does not hold a key"), "{refused}");
        assert_eq!(fs::read_to_string(file(&data)).unwrap(), text);
        assert!(keys(&server).await.is_empty());
    }
}

#[tokio::test]
async fn a_server_that_others_can_reach_does_not_start_without_a_key() {
    let (server, (_root, data)) = (Server::over(memory()), folder());
    let refused = prepare(&server.executor, &no_env(), &data, false).await.err().unwrap();
    assert!(matches!(refused, BootstrapError::NoKey));
    assert!(refused.to_string().contains("COORDINATION_API_KEYS"), "{refused}");
    assert!(!file(&data).exists());
    // With a good key in the store it does.
    start(&server, &data).await.unwrap();
    assert!(!prepare(&server.executor, &no_env(), &data, false).await.unwrap().is_first());
}

#[tokio::test]
async fn keys_of_the_environment_need_no_first_key_but_their_projects() {
    let (server, (_root, data)) = (Server::over(memory()), folder());
    let env = EnvKeys::new(&config().identity).unwrap();
    for _ in 0..2 {
        assert!(!prepare(&server.executor, &env, &data, false).await.unwrap().is_first());
    }
    assert!(!data.folder.exists());
    assert!(keys(&server).await.is_empty());
    let told = server.told("default").await;
    assert_eq!(told, [["project.create", "team", "pointsman", "ok"].map(str::to_owned)], "once, and not `default`");
}
