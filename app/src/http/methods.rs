//! Which methods each path knows: what a 405 needs for its `Allow` header, which the router doesn't tell.

use std::collections::{BTreeMap, BTreeSet};

use poem::http::HeaderValue;
use serde_json::Value;

/// Methods by path pattern.
#[derive(Debug, Default)]
pub struct Methods(BTreeMap<String, BTreeSet<String>>);

impl Methods {
    /// The operations of an OpenAPI document that is mounted at `prefix` (`""` for the root).
    pub fn of_openapi(document: &Value, prefix: &str) -> Self {
        let mut methods = Self::default();
        let paths = document.get("paths").and_then(Value::as_object);
        for (path, operations) in paths.into_iter().flatten() {
            for method in operations.as_object().into_iter().flatten().map(|(method, _)| method) {
                methods.insert(&format!("{prefix}{path}"), method);
            }
        }
        methods
    }

    /// Adds a route that stands outside the OpenAPI document.
    #[must_use]
    pub fn with(mut self, path: &str, method: &str) -> Self {
        self.insert(path, method);
        self
    }

    /// The value of `Allow` for a path pattern in either notation, `{id}` or `:id`.
    pub fn allow(&self, pattern: &str) -> Option<HeaderValue> {
        let methods: Vec<&str> = self.0.get(&shape(pattern))?.iter().map(String::as_str).collect();
        HeaderValue::from_str(&methods.join(", ")).ok()
    }

    fn insert(&mut self, path: &str, method: &str) {
        const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
        let method = method.to_ascii_uppercase();
        if !METHODS.contains(&method.as_str()) {
            return;
        }
        let methods = self.0.entry(shape(path)).or_default();
        if method == "GET" {
            methods.insert("HEAD".to_owned());
        }
        methods.insert(method);
    }
}

/// The pattern with each parameter replaced by a star and no slash at the end.
fn shape(pattern: &str) -> String {
    let is_parameter = |segment: &str| segment.starts_with([':', '{', '<', '*']);
    let segments = pattern.split('/').filter(|segment| !segment.is_empty());
    segments.fold(String::new(), |shape, segment| shape + "/" + if is_parameter(segment) { "*" } else { segment })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Methods;

    #[test]
    fn methods_are_found_by_the_routers_own_pattern() {
        let document = json!({"paths": {"/locks/{id}": {"get": {}, "delete": {}, "parameters": []}}});
        let methods = Methods::of_openapi(&document, "/v1").with("/health", "GET");
        assert_eq!(methods.allow("/v1/locks/:key").unwrap(), "DELETE, GET, HEAD");
        assert_eq!(methods.allow("/health/").unwrap(), "GET, HEAD");
        assert!(methods.allow("/v1/other").is_none());
    }
}
