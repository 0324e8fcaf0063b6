use super::key_file::KEY_FILE_NAME;
use crate::config::{Config, Data, Secret};
use std::fmt::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The address the command line speaks to when it is told none.
const DEFAULT_URL: &str = "http://127.0.0.1:8081";

/// What the server says once it listens.
#[derive(Debug)]
pub struct Welcome {
    first: Option<First>,
}

#[derive(Debug)]
struct First {
    token: Secret,
    folder: PathBuf,
    is_default_folder: bool,
}

impl Welcome {
    /// Nothing new: somebody has a key.
    pub(super) fn back() -> Self {
        Self { first: None }
    }

    /// The first key was made.
    pub(super) fn first(token: Secret, data: &Data) -> Self {
        let nothing_set = std::iter::empty::<(&str, &str)>();
        let is_default_folder = Config::from_vars(nothing_set).is_ok_and(|config| config.data.folder == data.folder);
        Self { first: Some(First { token, folder: data.folder.clone(), is_default_folder }) }
    }

    /// Whether the first key was made at this start.
    pub fn is_first(&self) -> bool {
        self.first.is_some()
    }

    /// The words, with the first key in them: to be shown once and logged never. `program` is what to type to run this
    /// binary.
    pub fn text(&self, bound: SocketAddr, program: &str) -> String {
        let url = format!("http://{bound}");
        let mut text = format!("Pointsman listens on {url}\nThe API, to read and to try: {url}/docs");
        if let Some(First { token, folder, is_default_folder }) = &self.first {
            let address = if url == DEFAULT_URL { String::new() } else { format!("COORDINATION_API_URL={url} ") };
            let data = if *is_default_folder {
                String::new()
            } else {
                format!("POINTSMAN_DATA={} ", quoted(&folder.display().to_string()))
            };
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n\nThis is the first start. An admin key for all projects was made; it is shown only now, and kept in\n\
                 {file}\n\n  {token}\n\n\
                 Acquire a lock with it:\n\n  \
                 curl -sS {url}/v1/locks/acquire -H 'Authorization: Bearer {token}' \\\n    \
                 -H 'Content-Type: application/json' -d '{{\"keys\":[{{\"key\":\"src/main.rs\"}}]}}'\n\n\
                 Make a key for a second agent:\n\n  \
                 {address}{data}{program} key create --agent agent-2\n",
                file = folder.join(KEY_FILE_NAME).display(),
                token = token.expose(),
                program = quoted(program),
            );
        }
        text
    }
}

/// As a shell reads it back.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_later_start_shows_no_key() {
        let text = Welcome::back().text(bound("127.0.0.1:8081"), "pointsman");
        assert!(text.contains("http://127.0.0.1:8081/docs"));
        assert!(!text.contains("key"), "{text}");
    }

    #[test]
    fn lines_to_paste_say_what_differs_from_the_defaults() {
        let data = Data { folder: PathBuf::from("/tmp/some where") };
        let welcome = Welcome::first(Secret::new("pm_k1_s"), &data);
        let text = welcome.text(bound("[::1]:9000"), "target/release/pointsman");
        assert!(
            text.contains("curl -sS http://[::1]:9000/v1/locks/acquire -H 'Authorization: Bearer pm_k1_s'"),
            "{text}"
        );
        assert!(text.contains(
            "COORDINATION_API_URL=http://[::1]:9000 POINTSMAN_DATA='/tmp/some where' target/release/pointsman key create"
        ));
        assert!(text.contains("/tmp/some where/admin.key"));
    }

    #[test]
    fn defaults_need_no_saying() {
        let welcome =
            Welcome { first: Some(First { token: Secret::new("t"), folder: "/d".into(), is_default_folder: true }) };
        let text = welcome.text(bound("127.0.0.1:8081"), "pointsman");
        assert!(text.contains("\n  pointsman key create --agent agent-2"), "{text}");
    }

    #[test]
    fn a_shell_reads_back_what_was_quoted() {
        assert_eq!(quoted("a/b-c.d"), "a/b-c.d");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted("$(x)"), "'$(x)'");
        assert_eq!(quoted(""), "''");
    }
}
