//! From lines of the audit log to who held what from when to when.

use super::Place;
use chrono::DateTime;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// How a lock ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The log tells of no end; it lasts until its time is over.
    Open,
    /// Its holder gave it back.
    Released,
    /// Its time was over.
    Expired,
    /// Otherwise: replaced, taken away, or its session ended.
    Otherwise,
}

/// One lock from its grant to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What.
    pub key: String,
    /// What that covers.
    pub place: Place,
    /// Whether alone.
    pub exclusive: bool,
    /// By which session.
    pub session: String,
    /// Under which token.
    pub token: i64,
    /// From when, in microseconds.
    pub from_us: i64,
    /// When its time is over after all renewals, in microseconds.
    pub expires_us: i64,
    /// Until when it was held in truth: its end or the end of its time, whichever came first.
    pub until_us: i64,
    /// How it ended.
    pub end: End,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = if self.exclusive { "exclusive" } else { "shared" };
        let Self { key, session, token, from_us, until_us, end, .. } = self;
        write!(f, "[{key} {mode} by {session}, token {token}, {from_us} to {until_us}, {end:?}]")
    }
}

/// Every lock a log tells of, and what in the log cannot be true.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The locks, by token.
    pub held: Vec<Held>,
    /// Lines that contradict others or cannot be read.
    pub faults: Vec<String>,
}

impl History {
    /// Reads the lines of a log in any order: within one commit they have none.
    pub fn read(lines: &[Value]) -> Self {
        let ok: Vec<&Value> = lines.iter().filter(|line| line["outcome"] == "ok").collect();
        let of = |operations: &'static [&'static str]| {
            ok.iter().filter(|line| line["operation"].as_str().is_some_and(|word| operations.contains(&word)))
        };
        let mut reader = Reader::default();
        of(&["lock.acquire"]).for_each(|line| reader.grant(line));
        of(&["lock.renew"]).for_each(|line| reader.renewal(line));
        of(&["lock.release", "lock.expire", "lock.replace", "lock.force_release", "lock.session_end"])
            .for_each(|line| reader.end(line));
        reader.finish()
    }
}

#[derive(Default)]
struct Reader {
    held: BTreeMap<i64, Held>,
    renewals: BTreeMap<i64, Vec<Renewal>>,
    faults: Vec<String>,
}

#[expect(clippy::struct_field_names, reason = "the unit stands last in each name")]
struct Renewal {
    at_us: i64,
    before_us: i64,
    after_us: i64,
}

fn instant(value: &Value) -> Option<i64> {
    value.as_str().and_then(|text| DateTime::parse_from_rfc3339(text).ok()).map(|at| at.timestamp_micros())
}

impl Reader {
    fn fault(&mut self, what: &str, line: &Value) {
        self.faults.push(format!("{what}: {line}"));
    }

    fn grant(&mut self, line: &Value) {
        let lease = &line["after"];
        let parsed = (|| {
            let expires_us = instant(&lease["expires_at"])?;
            let key = lease["key"].as_str()?;
            Some(Held {
                key: key.to_owned(),
                place: Place::of(key),
                exclusive: match lease["mode"].as_str()? {
                    "exclusive" => true,
                    "shared" => false,
                    _ => return None,
                },
                session: lease["holder"]["session"].as_str()?.to_owned(),
                token: lease["token"].as_i64()?,
                from_us: instant(&lease["granted_at"])?,
                expires_us,
                until_us: expires_us,
                end: End::Open,
            })
        })();
        let Some(held) = parsed else { return self.fault("a grant that cannot be read", line) };
        if line["target"] != *held.key || line["session"] != *held.session {
            self.fault("a grant whose line names another key or session", line);
        }
        if held.expires_us <= held.from_us {
            self.fault("a grant that is over when it begins", line);
        }
        if instant(&line["at"]) != Some(held.from_us) {
            self.fault("a grant written down for another time than its own", line);
        }
        if let Some(other) = self.held.insert(held.token, held) {
            self.fault(&format!("a second grant under the token of {other}"), line);
        }
    }

    fn renewal(&mut self, line: &Value) {
        let parsed = (|| {
            let token = line["after"]["token"].as_i64()?;
            let before_us = instant(&line["before"]["expires_at"])?;
            let after_us = instant(&line["after"]["expires_at"])?;
            Some((token, Renewal { at_us: instant(&line["at"])?, before_us, after_us }))
        })();
        let Some((token, renewal)) = parsed else { return self.fault("a renewal that cannot be read", line) };
        if renewal.after_us < renewal.before_us {
            self.fault("a renewal that shortens", line);
        }
        if renewal.at_us >= renewal.before_us {
            self.fault("a renewal after the time was over", line);
        }
        let known = self.held.get_mut(&token).map(|held| {
            held.expires_us = held.expires_us.max(renewal.after_us);
            held.until_us = held.expires_us;
            line["session"] == *held.session
        });
        match known {
            Some(true) => self.renewals.entry(token).or_default().push(renewal),
            Some(false) => self.fault("a renewal by another session than the holder's", line),
            None => self.fault("a renewal of what was never granted", line),
        }
    }

    fn end(&mut self, line: &Value) {
        let token = line["before"]["token"].as_i64();
        let ended_us = instant(&line["after"]["ended_at"]);
        let (Some(token), Some(ended_us), Some(at_us)) = (token, ended_us, instant(&line["at"])) else {
            return self.fault("an end that cannot be read", line);
        };
        let end = match line["operation"].as_str() {
            Some("lock.release") => End::Released,
            Some("lock.expire") => End::Expired,
            _ => End::Otherwise,
        };
        let renewed_later = self.renewals.get(&token).is_some_and(|all| all.iter().any(|one| one.at_us > ended_us));
        let Some(held) = self.held.get_mut(&token) else {
            return self.fault("an end of what was never granted", line);
        };
        let mut wrong = Vec::new();
        if held.end != End::Open {
            wrong.push("a second end");
        }
        if ended_us < held.from_us {
            wrong.push("an end before the beginning");
        }
        match end {
            End::Expired => {
                if ended_us != held.expires_us || at_us < held.expires_us {
                    wrong.push("a lock that ran out at another time than its own");
                }
            }
            End::Released | End::Otherwise | End::Open => {
                if ended_us >= held.expires_us {
                    wrong.push("an end of what had run out before");
                }
                if at_us != ended_us {
                    wrong.push("an end written down for another time than its own");
                }
            }
        }
        if end == End::Released && line["session"] != *held.session {
            wrong.push("a release by another session than the holder's");
        }
        if renewed_later {
            wrong.push("an end before a renewal");
        }
        held.end = end;
        held.until_us = held.until_us.min(ended_us);
        for what in wrong {
            self.fault(what, line);
        }
    }

    fn finish(mut self) -> History {
        for (token, renewals) in &mut self.renewals {
            // Each renewal goes on from where the one before it ended: a gap is a line that is missing.
            renewals.sort_by_key(|one| (one.at_us, one.after_us));
            let gap = renewals.windows(2).find(|pair| pair[0].after_us != pair[1].before_us);
            if gap.is_some() {
                self.faults.push(format!("the renewals of token {token} do not join: a line is missing"));
            }
        }
        History { held: self.held.into_values().collect(), faults: self.faults }
    }
}
