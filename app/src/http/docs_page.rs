//! The `OpenAPI` document and the page that shows it, without a byte from anywhere else.

use poem::http::header;
use poem::{Endpoint, Response, endpoint::make_sync};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::{Value, json};

mod statuses;

use statuses::document_statuses;

/// What the page may do: run what stands in it and speak to its own server. Nothing comes from or goes anywhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
     img-src 'self' data:; font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// The document to serve and to commit: the framework's, with media types free of `; charset=utf-8`, plain references, and for
/// every operation each status it may be answered with.
///
/// # Errors
///
/// If the framework's document is not JSON, which is a defect.
pub fn document<T: OpenApi>(service: &OpenApiService<T, ()>) -> serde_json::Result<Value> {
    let mut document: Value = serde_json::from_str(&service.spec())?;
    plain_media_types(&mut document);
    plain_references(&mut document);
    describe_streams(&mut document);
    document_statuses(&mut document);
    Ok(document)
}

/// Serves the document, to be mounted at `/openapi.json`.
pub fn json(document: &Value) -> impl Endpoint<Output = Response> + 'static {
    let text = format!("{document:#}\n");
    make_sync(move |_| Response::builder().content_type("application/json").body(text.clone()))
}

/// Serves the page, to be mounted at `/docs`.
pub fn page<T: OpenApi>(
    service: &OpenApiService<T, ()>,
    document: &Value,
) -> impl Endpoint<Output = Response> + 'static {
    // `</script>` in a description must not end the script the document stands in.
    let inline = document.to_string().replace("</", "<\\/");
    let html = service.swagger_ui_html().replacen(&service.spec(), &inline, 1);
    make_sync(move |_| {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY)
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            .header(header::REFERRER_POLICY, "no-referrer")
            .body(html.clone())
    })
}

/// Describes each part of a stream, where the framework takes the whole of it for one text.
fn describe_streams(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(stream) = fields.get_mut("content").and_then(|content| content.get_mut("text/event-stream")) {
                let text = json!({ "type": "string" });
                let part = json!({ "data": text, "event": text, "id": text, "retry": { "type": "integer" } });
                *stream = json!({ "schema": { "type": "object", "properties": part } });
            }
            fields.values_mut().for_each(describe_streams);
        }
        Value::Array(items) => items.iter_mut().for_each(describe_streams),
        _ => {}
    }
}

fn plain_media_types(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Object(content)) = fields.get_mut("content") {
                let charset =
                    |name: &String| name.split_once(';').map(|(plain, _)| (name.clone(), plain.trim().to_owned()));
                let renamed: Vec<(String, String)> = content.keys().filter_map(charset).collect();
                for (old, new) in renamed {
                    if let Some(media_type) = content.remove(&old) {
                        content.insert(new, media_type);
                    }
                }
            }
            fields.values_mut().for_each(plain_media_types);
        }
        Value::Array(items) => items.iter_mut().for_each(plain_media_types),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A described reference is `allOf` one reference, with the description beside it: generators fail at the framework's second
/// branch, which holds nothing but the description again.
fn plain_references(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(branches)) = fields.get_mut("allOf") {
                let is_description = |branch: &Value| {
                    branch.as_object().is_some_and(|fields| fields.keys().all(|name| name == "description"))
                };
                branches.retain(|branch| !is_description(branch));
            }
            fields.values_mut().for_each(plain_references);
        }
        Value::Array(items) => items.iter_mut().for_each(plain_references),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
