//! What the router doesn't tell of its routes: the methods each path knows, which a 405 must list in `Allow`, the
//! documented names of its parameters, which the framework calls `param0`, `param1` and so on, and the values they accept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use poem::http::HeaderValue;
use serde_json::Value;

/// Routes by the router's patterns.
#[derive(Debug, Default)]
pub struct Methods {
    routes: Vec<Route>,
    by_pattern: HashMap<String, usize>,
}

#[derive(Debug)]
struct Route {
    template: Arc<str>,
    methods: BTreeSet<String>,
    /// The values that parameters accept which accept only some.
    accepted: BTreeMap<String, String>,
}

impl Methods {
    /// The operations of an `OpenAPI` document that is mounted at `prefix` (`""` for the root).
    pub fn of_openapi(document: &Value, prefix: &str) -> Self {
        let mut methods = Self::default();
        let paths = document.get("paths").and_then(Value::as_object);
        for (path, operations) in paths.into_iter().flatten() {
            for (method, operation) in operations.as_object().into_iter().flatten() {
                let accepted = accepted(document, operation);
                if let Some(route) = methods.insert(&format!("{prefix}{path}"), method) {
                    route.accepted.extend(accepted);
                }
            }
        }
        methods
    }

    /// Adds a route that stands outside the `OpenAPI` document.
    #[must_use]
    pub fn with(mut self, path: &str, method: &str) -> Self {
        self.insert(path, method);
        self
    }

    /// The value of `Allow` for a pattern of the router.
    pub fn allow(&self, pattern: &str) -> Option<HeaderValue> {
        let methods: Vec<&str> = self.route(pattern)?.methods.iter().map(String::as_str).collect();
        HeaderValue::from_str(&methods.join(", ")).ok()
    }

    /// The path as documented, such as `/v1/keys/{id}`, for a pattern of the router.
    pub fn template(&self, pattern: &str) -> Option<Arc<str>> {
        self.route(pattern).map(|route| Arc::clone(&route.template))
    }

    /// The documented name of a parameter that the framework calls `param` and its place in the path.
    pub fn parameter(&self, pattern: &str, framework_name: &str) -> Option<&str> {
        let place: usize = framework_name.strip_prefix("param")?.parse().ok()?;
        let template = &self.route(pattern)?.template;
        template.split('/').filter_map(parameter_name).nth(place)
    }

    /// The values that a parameter accepts, as a list to read, if it is not free.
    pub fn accepted(&self, pattern: &str, parameter: &str) -> Option<&str> {
        self.route(pattern)?.accepted.get(parameter).map(String::as_str)
    }

    fn route(&self, pattern: &str) -> Option<&Route> {
        self.by_pattern.get(pattern.trim_end_matches('/')).and_then(|index| self.routes.get(*index))
    }

    fn insert(&mut self, path: &str, method: &str) -> Option<&mut Route> {
        const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
        let method = method.to_ascii_uppercase();
        if !METHODS.contains(&method.as_str()) {
            return None;
        }
        let index = match self.by_pattern.get(&with_parameters(path, |_, name| format!(":{name}"))) {
            Some(index) => *index,
            None => self.add(path),
        };
        let route = self.routes.get_mut(index)?;
        if method == "GET" {
            route.methods.insert("HEAD".to_owned());
        }
        route.methods.insert(method);
        Some(route)
    }

    fn add(&mut self, path: &str) -> usize {
        let index = self.routes.len();
        let template = with_parameters(path, |_, name| format!("{{{name}}}"));
        self.routes.push(Route { template: template.into(), methods: BTreeSet::new(), accepted: BTreeMap::new() });
        self.by_pattern.insert(with_parameters(path, |_, name| format!(":{name}")), index);
        self.by_pattern.insert(with_parameters(path, |place, _| format!(":param{place}")), index);
        index
    }
}

/// The values that an operation's parameters accept, by name.
fn accepted(document: &Value, operation: &Value) -> impl Iterator<Item = (String, String)> {
    let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    parameters.filter_map(|parameter| {
        let schema = parameter.get("schema")?;
        let values = enumeration(document, schema.get("items").unwrap_or(schema))?;
        Some((parameter.get("name")?.as_str()?.to_owned(), values))
    })
}

fn enumeration(document: &Value, schema: &Value) -> Option<String> {
    if let Some(part) = schema.get("allOf").and_then(Value::as_array).and_then(|parts| parts.first()) {
        return enumeration(document, part);
    }
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => document.pointer(reference.strip_prefix('#')?)?,
        None => schema,
    };
    let values: Vec<&str> = schema.get("enum")?.as_array()?.iter().filter_map(Value::as_str).collect();
    Some(values.join(", "))
}

/// The path with each parameter written anew, and no slash at the end.
fn with_parameters(path: &str, write: impl Fn(usize, &str) -> String) -> String {
    let mut written = String::new();
    let mut place = 0;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        written.push('/');
        match parameter_name(segment) {
            Some(name) => {
                written.push_str(&write(place, name));
                place += 1;
            }
            None => written.push_str(segment),
        }
    }
    written
}

/// The name in `{name}` or `:name`.
fn parameter_name(segment: &str) -> Option<&str> {
    let braced = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    braced.or_else(|| segment.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Methods;

    #[test]
    fn routes_are_found_by_the_routers_own_patterns() {
        let document = json!({"paths": {"/keys/{id}/uses/{n}": {"get": {}, "delete": {}, "parameters": []}}});
        let methods = Methods::of_openapi(&document, "/v1").with("/health", "GET");
        for pattern in ["/v1/keys/:id/uses/:n", "/v1/keys/:param0/uses/:param1", "/v1/keys/:id/uses/:n/"] {
            assert_eq!(methods.allow(pattern).unwrap(), "DELETE, GET, HEAD");
            assert_eq!(methods.template(pattern).unwrap().as_ref(), "/v1/keys/{id}/uses/{n}");
        }
        let pattern = "/v1/keys/:param0/uses/:param1";
        assert_eq!(methods.parameter(pattern, "param1"), Some("n"));
        assert_eq!(methods.parameter(pattern, "param2"), None);
        assert_eq!(methods.parameter(pattern, "page"), None);
        assert_eq!(methods.allow("/health/").unwrap(), "GET, HEAD");
        assert!(methods.allow("/v1/other").is_none());
    }

    #[test]
    fn the_values_of_a_parameter_are_found_behind_references() {
        let document = json!({
            "components": {"schemas": {"Status": {"enum": ["ready", "dead"]}}},
            "paths": {"/tasks": {"get": {"parameters": [
                {"name": "status", "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Status"}}},
                {"name": "sort", "schema": {"allOf": [{"$ref": "#/components/schemas/Status"}, {"default": "dead"}]}},
                {"name": "limit", "schema": {"type": "integer"}},
            ]}}},
        });
        let methods = Methods::of_openapi(&document, "/v1");
        assert_eq!(methods.accepted("/v1/tasks", "status"), Some("ready, dead"));
        assert_eq!(methods.accepted("/v1/tasks", "sort"), Some("ready, dead"));
        assert_eq!(methods.accepted("/v1/tasks", "limit"), None);
    }
}
