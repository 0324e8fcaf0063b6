use poem::PathPattern;
use poem::error::{MethodNotAllowedError, NotFoundError, ParsePathError, ParseQueryError, ReadBodyError};
use poem::http::StatusCode;
use poem_openapi::error::{
    AuthorizationError, ContentTypeError, ParseParamError, ParsePathError as ApiPathError, ParseRequestPayloadError,
};

use super::{FieldError, Kind, Problem, kinds};
use crate::http::json_body::BodyRefused;
use crate::http::methods::Methods;

/// How the framework says that a value is none of an enumeration, without saying which there are.
const NONE_OF_ITS_VALUES: &str = "Expect a valid enumeration value";

/// The problem a framework error stands for. Errors that already carry an answer are not for this function.
pub fn from_framework(error: &poem::Error, pattern: Option<&PathPattern>, methods: &Methods) -> Problem {
    if error.downcast_ref::<NotFoundError>().is_some() {
        return Problem::new(&kinds::NOT_FOUND);
    }
    if error.downcast_ref::<MethodNotAllowedError>().is_some() {
        let problem = Problem::new(&kinds::METHOD_NOT_ALLOWED);
        return match pattern.and_then(|pattern| methods.allow(&pattern.0)) {
            Some(allow) => problem.allow(allow),
            None => problem,
        };
    }
    if error.downcast_ref::<AuthorizationError>().is_some() {
        return Problem::new(&kinds::UNAUTHENTICATED);
    }
    if let Some(ParseParamError { name, reason }) = error.downcast_ref() {
        let accepted = pattern.and_then(|pattern| methods.accepted(&pattern.0, name));
        return match accepted {
            Some(values) if reason.contains(NONE_OF_ITS_VALUES) => invalid(name, &format!("must be one of {values}")),
            _ => invalid(name, reason),
        };
    }
    if let Some(ApiPathError { name, reason }) = error.downcast_ref() {
        let documented = pattern.and_then(|pattern| methods.parameter(&pattern.0, name));
        return invalid(documented.unwrap_or(name), reason);
    }
    if let Some(refused) = error.downcast_ref::<BodyRefused>() {
        return refused.problem();
    }
    if let Some(ParseRequestPayloadError { reason }) = error.downcast_ref() {
        // Values of the wrong shape are told in these words; anything else is a fault of the JSON itself.
        let is_shape =
            ["failed to parse \"", "Expected input type", "Type \""].iter().any(|start| reason.starts_with(start));
        let kind = if is_shape { &kinds::INVALID_VALUE } else { &kinds::MALFORMED_REQUEST };
        return Problem::new(kind).detail(plain(reason));
    }
    if let Some(error) = error.downcast_ref::<ContentTypeError>() {
        let detail = match error {
            ContentTypeError::NotSupported { content_type } => format!("`{content_type}` is not `application/json`"),
            ContentTypeError::ExpectContentType => "the request has no `Content-Type`".to_owned(),
        };
        return Problem::new(&kinds::UNSUPPORTED_MEDIA_TYPE).detail(detail);
    }
    if let Some(error) = error.downcast_ref::<ReadBodyError>() {
        return match error {
            ReadBodyError::PayloadTooLarge => Problem::new(&kinds::BODY_TOO_LARGE),
            ReadBodyError::Utf8(_) => Problem::new(&kinds::MALFORMED_REQUEST).detail("the body is not UTF-8"),
            ReadBodyError::Io(_) => Problem::new(&kinds::MALFORMED_REQUEST).detail("the body broke off"),
            ReadBodyError::BodyHasBeenTaken => Problem::internal(error),
        };
    }
    if let Some(error) = error.downcast_ref::<ParseQueryError>() {
        return Problem::new(&kinds::INVALID_VALUE).detail(error.to_string());
    }
    if error.downcast_ref::<ParsePathError>().is_some() {
        return Problem::new(&kinds::INVALID_VALUE).detail("a part of the path is not acceptable");
    }
    by_status(error)
}

fn invalid(field: &str, reason: &str) -> Problem {
    let reason = plain(reason);
    Problem::new(&kinds::INVALID_VALUE)
        .detail(format!("`{field}` {reason}"))
        .errors(vec![FieldError { field: field.to_owned(), reason }])
}

/// The reason without the framework's words around it.
fn plain(reason: &str) -> String {
    if reason.starts_with("Type \"") && reason.ends_with("expects an input value.") {
        return "is missing".to_owned();
    }
    let reason = match reason.strip_prefix("failed to parse \"").and_then(|rest| rest.split_once("\": ")) {
        Some((_, reason)) => reason,
        None => reason,
    };
    reason.split(" (occurred while parsing").next().unwrap_or(reason).to_owned()
}

fn by_status(error: &poem::Error) -> Problem {
    let kind: &'static Kind = match error.status() {
        StatusCode::UNAUTHORIZED => &kinds::UNAUTHENTICATED,
        StatusCode::NOT_FOUND => &kinds::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => &kinds::METHOD_NOT_ALLOWED,
        StatusCode::PAYLOAD_TOO_LARGE => &kinds::BODY_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => &kinds::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::UNPROCESSABLE_ENTITY => &kinds::INVALID_VALUE,
        status if status.is_client_error() => &kinds::MALFORMED_REQUEST,
        _ => return Problem::internal(error),
    };
    Problem::new(kind).detail(error.to_string())
}
