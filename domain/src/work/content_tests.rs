use super::*;
use serde_json::json;

#[test]
fn a_text_is_trimmed_and_has_a_limit_in_bytes() {
    assert_eq!(Title::parse("  fix it ").unwrap().as_str(), "fix it");
    assert!(Title::parse(" ").is_err());
    assert!(Title::parse(&"ä".repeat(128)).is_ok());
    assert!(Title::parse(&"ä".repeat(129)).is_err());
}

#[test]
fn only_long_texts_have_lines_and_none_has_control_characters() {
    assert!(Title::parse("a\nb").is_err());
    assert!(Description::parse("a\n\tb").is_ok());
    assert!(Description::parse("a\0b").is_err());
    assert_eq!(Title::parse("").unwrap_err().to_string(), "`title` must have 1 to 256 bytes and no control characters");
}

#[test]
fn a_payload_is_measured_as_it_is_written() {
    let text = |letters: usize| Payload::try_new(json!("a".repeat(letters)));
    assert!(text(Payload::BYTES_MAX - 2).is_ok());
    assert_eq!(text(Payload::BYTES_MAX - 1), Err(InvalidPayload { bytes: Payload::BYTES_MAX + 1 }));
    let escaped = Payload::try_new(json!("\0".repeat(Payload::BYTES_MAX / 6 + 1)));
    assert!(escaped.is_err(), "what is written longer is measured longer");
}

#[test]
fn a_limit_holds_for_what_is_read_back_too() {
    assert!(serde_json::from_value::<Payload>(json!("a".repeat(Payload::BYTES_MAX))).is_err());
    assert!(serde_json::from_value::<Progress>(json!(101)).is_err());
    assert_eq!(serde_json::from_value::<Progress>(json!(100)).unwrap().percent(), 100);
    assert!(serde_json::from_value::<Note>(json!("")).is_err());
}
