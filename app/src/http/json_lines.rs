//! Bodies of many JSON values, one a line.

use bytes::Bytes;
use poem::{Body, FromRequest, Request, RequestBody, Result};
use poem_openapi::error::ContentTypeError;
use poem_openapi::payload::Binary;
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions, ResponseContent};

/// The media type that is told of.
pub const MEDIA_TYPE: &str = "application/x-ndjson";

/// Other names that are in use for it.
const OTHER_NAMES: [&str; 3] = ["application/jsonl", "application/ndjson", "application/jsonlines"];

/// A request body of lines. The lines are read by whoever takes them, so that each fault is told with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonLines(pub Vec<u8>);

impl JsonLines {
    /// The lines that hold something, with their numbers from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let lines = self.0.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
        lines.map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.is_empty())
    }
}

impl<'a> ApiExtractor<'a> for JsonLines {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <String as Type>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = vec![MetaMediaType { content_type: MEDIA_TYPE, schema: String::schema_ref() }];
        Some(MetaRequest { description: Some("JSON values, one a line."), content, required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> Result<Self> {
        let content_type = request.content_type().ok_or(ContentTypeError::ExpectContentType)?;
        let name = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if name != MEDIA_TYPE && !OTHER_NAMES.contains(&name.as_str()) {
            return Err(ContentTypeError::NotSupported { content_type: content_type.to_owned() }.into());
        }
        Ok(Self(<Vec<u8> as FromRequest>::from_request(request, body).await?))
    }
}

/// Lines as they come.
#[derive(ResponseContent)]
pub enum LinesContent {
    /// JSON values, one a line.
    #[oai(content_type = "application/x-ndjson")]
    Lines(Binary<Body>),
}

/// An answer of lines.
#[derive(ApiResponse)]
pub enum LinesAnswer {
    /// The lines, as they come. An answer that breaks off is not whole.
    #[oai(status = 200)]
    Lines(
        LinesContent,
        /// Never kept on the way.
        #[oai(header = "Cache-Control")]
        String,
    ),
}

impl LinesAnswer {
    /// An answer of these parts.
    pub fn new(parts: impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static) -> Self {
        Self::Lines(LinesContent::Lines(Binary(Body::from_bytes_stream(parts))), "no-store".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::JsonLines;

    #[test]
    fn lines_keep_their_numbers_over_blank_ones() {
        let lines = JsonLines(b"{}\r\n\n  \n{\"a\":1}".to_vec());
        assert_eq!(lines.lines().collect::<Vec<_>>(), [(1, b"{}".as_slice()), (4, b"{\"a\":1}")]);
        assert_eq!(JsonLines(Vec::new()).lines().count(), 0);
    }
}
