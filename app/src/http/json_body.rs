//! A JSON request body whose refusal names every field at fault.

use poem::http::StatusCode;
use poem::{FromRequest, Request, RequestBody, Result, error::ResponseError};
use poem_openapi::error::ContentTypeError;
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::{ParseFromJSON, ToJSON};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;

use super::problem::{FieldError, Problem, kinds};

mod faults;

/// Like `poem_openapi::payload::Json`, except that a body that doesn't fit is held against its schema, so that the 422
/// lists each field that is missing, unknown, of the wrong type or out of bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonBody<T>(pub T);

/// Why a body was refused.
#[derive(Debug, thiserror::Error)]
pub enum BodyRefused {
    /// It is not JSON.
    #[error("the body is not JSON: {0}")]
    Malformed(serde_json::Error),
    /// It is JSON, but not what is wanted.
    #[error("the body has {} faults", .0.len())]
    Faulty(Vec<FieldError>),
}

impl ResponseError for BodyRefused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Faulty(_) => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }
}

impl BodyRefused {
    /// The answer to it.
    pub(crate) fn problem(&self) -> Problem {
        match self {
            Self::Malformed(error) => Problem::new(&kinds::MALFORMED_REQUEST).detail(error.to_string()),
            Self::Faulty(faults) => {
                let detail = match faults.as_slice() {
                    [FieldError { field, reason }] if field.is_empty() => format!("the body {reason}"),
                    [FieldError { field, reason }] => format!("`{field}` {reason}"),
                    faults => format!("{} fields are at fault", faults.len()),
                };
                Problem::new(&kinds::INVALID_VALUE).detail(detail).errors(faults.clone())
            }
        }
    }
}

impl<T: ParseFromJSON + ToJSON> JsonBody<T> {
    fn parse(bytes: &[u8]) -> Result<Self, BodyRefused> {
        let value: Value = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(bytes).map_err(BodyRefused::Malformed)?
        };
        Self::read(&value)
    }

    /// Reads what is JSON already.
    pub(crate) fn read(value: &Value) -> Result<Self, BodyRefused> {
        // Parsing consumes the value, and the value is what the faults are found in; bodies are small.
        let faulty = |message: &str| BodyRefused::Faulty(faults::find::<T>(value, message));
        let parsed = T::parse_from_json(Some(value.clone())).map_err(|error| faulty(error.message()))?;
        // The framework takes numbers and booleans for strings, and strings for numbers.
        let is_as_sent = parsed.to_json().is_none_or(|read| same_types(value, &read));
        if is_as_sent { Ok(Self(parsed)) } else { Err(faulty("has values of the wrong type")) }
    }
}

/// Whether everything that was read back has the type it was sent with.
fn same_types(sent: &Value, read: &Value) -> bool {
    match (sent, read) {
        (Value::Object(sent), Value::Object(read)) => {
            sent.iter().all(|(name, sent)| read.get(name).is_none_or(|read| same_types(sent, read)))
        }
        (Value::Array(sent), Value::Array(read)) => sent.iter().zip(read).all(|(sent, read)| same_types(sent, read)),
        (Value::Null, _) | (_, Value::Null) => true,
        (sent, read) => std::mem::discriminant(sent) == std::mem::discriminant(read),
    }
}

impl<'a, T: ParseFromJSON + ToJSON> ApiExtractor<'a> for JsonBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }],
            required: T::IS_REQUIRED,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        let content_type = request.content_type().ok_or(ContentTypeError::ExpectContentType)?;
        if !Json::<T>::check_content_type(content_type) {
            return Err(ContentTypeError::NotSupported { content_type: content_type.to_owned() }.into());
        }
        let bytes = <Vec<u8> as FromRequest>::from_request(request, body).await?;
        Ok(Self::parse(&bytes)?)
    }
}

#[cfg(test)]
mod tests;
