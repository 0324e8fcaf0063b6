use poem::{Endpoint, Request, http::header};
use poem_openapi::{OpenApi, OpenApiService, payload::Json};

use super::{document, json, page};
use crate::http::problem::Problem;

struct Api;

#[OpenApi]
#[expect(clippy::unused_async, reason = "the macro wants operations to be async")]
impl Api {
    /// Breaks out: </script><script src="https://evil.example/x.js"></script>
    #[oai(path = "/refused", method = "get", operation_id = "me")]
    async fn refused(&self) -> Result<Json<String>, Problem> {
        Ok(Json(String::new()))
    }

    #[oai(path = "/open", method = "get", operation_id = "live")]
    async fn open(&self) -> Json<String> {
        Json(String::new())
    }
}

fn service() -> OpenApiService<Api, ()> {
    OpenApiService::new(Api, "test", "1")
}

#[test]
fn media_types_are_plain_and_problems_documented_everywhere() {
    let document = document(&service()).unwrap();
    assert!(!document.to_string().contains("charset"), "{document:#}");
    for path in ["refused", "open"] {
        for status in ["405", "503"] {
            let pointer =
                format!("/paths/~1{path}/get/responses/{status}/content/application~1problem+json/schema/$ref");
            assert_eq!(document.pointer(&pointer).unwrap(), "#/components/schemas/Problem");
        }
    }
    let schema = document.pointer("/components/schemas/Problem").unwrap();
    assert_eq!(schema["required"], serde_json::json!(["type", "title", "status", "retryable"]));
}

#[tokio::test]
async fn the_page_keeps_to_its_own_server() {
    let service = service();
    let document = document(&service).unwrap();
    let response = page(&service, &document).get_response(Request::default()).await;
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("connect-src 'self'"), "{policy}");
    let html = response.into_body().into_string().await.unwrap();
    assert!(html.contains("<\\/script>"), "the description is not in the page");
    assert!(!html.contains("</script><script src="), "the description breaks out of its script");
    assert!(!html.contains("{:spec}"));
}

#[tokio::test]
async fn the_document_is_served_as_it_is_committed() {
    let document = document(&service()).unwrap();
    let response = json(&document).get_response(Request::default()).await;
    assert_eq!(response.content_type(), Some("application/json"));
    assert_eq!(response.into_body().into_string().await.unwrap(), format!("{document:#}\n"));
}
