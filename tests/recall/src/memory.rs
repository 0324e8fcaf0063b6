//! What a memory of a collection becomes.

use crate::data::Record;
use chrono::{DateTime, TimeDelta, Utc};
use e2e::Outcome;
use serde_json::{Value, json};

/// What a summary and a lesson may have, in bytes.
const SUMMARY_BYTES_MAX: usize = 4_096;
const LESSON_BYTES_MAX: usize = 2_048;

impl Record {
    /// A line of an import. What is superseded is named by `supersedes`, however that is called at the server by now.
    pub(crate) fn line(&self, supersedes: Option<&str>, now: DateTime<Utc>) -> Outcome<Value> {
        let (summary, mut rest) = self.words();
        let lessons: Vec<String> = rest.take_if(|rest| rest.len() <= LESSON_BYTES_MAX).into_iter().collect();
        let mut line = json!({
            "ref": self.id,
            "event_type": self.kind.as_deref().unwrap_or("observation"),
            "summary": summary,
            "lessons": lessons,
            "tags": self.tags,
            "stream": self.stream(),
        });
        if let Some(rest) = rest {
            line["details"] = json!({ "text": rest });
        }
        if let Some(happened_at) = self.happened_at(now)? {
            line["happened_at"] = json!(happened_at);
        }
        if let Some(supersedes) = supersedes {
            line["supersedes"] = json!(supersedes);
        }
        Ok(line)
    }

    /// Whether there is anything to remember. A text of nothing is no memory.
    pub(crate) fn says_anything(&self) -> bool {
        [&self.text, &self.title, &self.body].into_iter().flatten().any(|words| !words.trim().is_empty())
    }

    /// The summary, and what does not fit into it.
    fn words(&self) -> (String, Option<String>) {
        match (&self.text, &self.title) {
            // A turn of a conversation is read with the name of who speaks, as in any transcript.
            (Some(text), _) => {
                let speaker = self.agent.as_ref().filter(|_| self.id.contains(':'));
                let text = speaker.map_or_else(|| text.clone(), |speaker| format!("{speaker}: {text}"));
                cut(text, SUMMARY_BYTES_MAX)
            }
            (None, Some(title)) => (title.clone(), self.body.clone()),
            (None, None) => cut(self.body.clone().unwrap_or_default(), SUMMARY_BYTES_MAX),
        }
    }

    /// The row it stands in: its session, where ids tell one (`D3:7`); otherwise it stands alone.
    fn stream(&self) -> &str {
        self.id.split_once(':').map_or(&self.id, |(session, _)| session)
    }

    fn happened_at(&self, now: DateTime<Utc>) -> Outcome<Option<DateTime<Utc>>> {
        if let Some(at) = &self.at {
            return Ok(Some(DateTime::parse_from_rfc3339(at)?.to_utc()));
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole minutes of some years")]
        let age = self.age_days.map(|days| TimeDelta::minutes((days * 1_440.0).round() as i64));
        Ok(age.map(|age| now - age))
    }
}

/// What fits, up to a space, and the rest.
fn cut(text: String, bytes_max: usize) -> (String, Option<String>) {
    if text.len() <= bytes_max {
        return (text, None);
    }
    let end = text.floor_char_boundary(bytes_max);
    let end = text.get(..end).and_then(|head| head.rfind(' ')).unwrap_or(end);
    let (head, rest) = text.split_at(end);
    (head.trim().to_owned(), Some(rest.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    #[test]
    fn a_turn_stands_in_its_session_and_says_who_speaks() {
        let record = Record {
            id: "D3:7".into(),
            text: Some("Hello".into()),
            agent: Some("Ann".into()),
            at: Some("2023-05-08T13:56:00Z".into()),
            ..Record::default()
        };
        let line = record.line(None, now()).unwrap();
        assert_eq!(
            (&line["summary"], &line["stream"], &line["ref"]),
            (&json!("Ann: Hello"), &json!("D3"), &json!("D3:7"))
        );
        assert_eq!(line["happened_at"], "2023-05-08T13:56:00Z");
        assert!(line.get("supersedes").is_none() && line.get("details").is_none());
    }

    #[test]
    fn a_note_stands_alone_and_keeps_its_kind_age_and_tags() {
        let record = Record {
            id: "o1".into(),
            title: Some("A title".into()),
            body: Some("A body".into()),
            kind: Some("fact".into()),
            agent: Some("agent-1".into()),
            age_days: Some(1.5),
            tags: vec!["rust".into()],
            ..Record::default()
        };
        let line = record.line(Some("o0"), now()).unwrap();
        assert_eq!(
            (&line["summary"], &line["lessons"], &line["stream"]),
            (&json!("A title"), &json!(["A body"]), &json!("o1"))
        );
        assert_eq!(
            (&line["event_type"], &line["supersedes"], &line["tags"]),
            (&json!("fact"), &json!("o0"), &json!(["rust"]))
        );
        assert_eq!(line["happened_at"], json!(now() - TimeDelta::hours(36)));
    }

    #[test]
    fn a_long_text_is_kept_whole_in_two_places() {
        let text = "eleven letters ".repeat(500);
        let record = Record { id: "1".into(), text: Some(text.clone()), ..Record::default() };
        let line = record.line(None, now()).unwrap();
        let (summary, rest) = (line["summary"].as_str().unwrap(), line["details"]["text"].as_str().unwrap());
        assert!(summary.len() <= SUMMARY_BYTES_MAX);
        assert_eq!(format!("{summary} {rest}"), text.trim());
    }
}
