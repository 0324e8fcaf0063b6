//! The bounds of what a lease is made of.

use super::*;

#[test]
fn a_ttl_lasts_5_seconds_to_8_hours() {
    for (seconds, fits) in [(0, false), (4, false), (5, true), (28_800, true), (28_801, false), (u32::MAX, false)] {
        assert_eq!(Ttl::try_new(seconds).is_ok(), fits, "{seconds}");
    }
}

#[test]
fn a_reason_is_trimmed_and_has_words_of_one_line() {
    assert_eq!(Reason::parse("  why not ").unwrap().as_str(), "why not");
    for wrong in ["", "  ", "a\nb", "a\u{7}b", &"x".repeat(Reason::BYTES_MAX + 1)] {
        assert_eq!(Reason::parse(wrong), Err(InvalidReason), "{wrong:?}");
    }
    assert!(Reason::parse(&"x".repeat(Reason::BYTES_MAX)).is_ok());
}

#[test]
fn modes_have_one_name_each_way() {
    for mode in [Mode::Shared, Mode::Exclusive] {
        assert_eq!(Mode::parse(mode.as_str()), Some(mode));
        assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
    }
    assert_eq!(Mode::parse("write"), None);
}

#[test]
fn an_ending_reads_back_what_it_wrote() {
    let forced = Ending::Forced { by: AgentId::parse("boss").unwrap(), reason: Reason::parse("stuck").unwrap() };
    for ending in [Ending::Released, Ending::Expired, Ending::SessionEnded, Ending::Replaced, forced] {
        let written = serde_json::to_value(&ending).unwrap();
        assert_eq!(serde_json::from_value::<Ending>(written).unwrap(), ending);
    }
}
