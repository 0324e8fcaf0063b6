//! What requests about agents look like on the wire.

use crate::agents::registry::views::{EnvironmentView, WakeMethodView};
use crate::http::problem::Problem;
use chrono::{DateTime, Datelike, SubsecRound, Utc};
use domain::agents::environment::EnvironmentTag;
use domain::agents::record::{AgentChange, DisplayName, Edit, Metadata, ProfileName};
use domain::agents::wake::{Wake, WakeDetail};
use domain::ids::AgentId;
use domain::work::name::Capability;
use poem_openapi::types::Any;
use poem_openapi::{Enum, Object};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The latest year of a test that is believed.
const TESTED_YEAR_MAX: i32 = 9998;

/// Digits of a second that are kept.
const FRACTION_DIGITS: u16 = 6;

/// What an agent is. What is left out stays as it was.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AgentDetails", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct AgentBody {
    /// What people call it; at most 128 bytes.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub display_name: Option<String>,
    /// Where it runs.
    pub environment: Option<EnvironmentView>,
    /// More about where it runs, such as `railway` or `github`.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub tag: Option<String>,
    /// All it can do, such as `rust` or `gpu`; at most 32 names of 64 characters.
    #[oai(validator(max_items = 32))]
    pub capabilities: Option<Vec<String>>,
    /// The name of the rules it follows.
    #[oai(validator(min_length = 1, max_length = 64))]
    pub profile: Option<String>,
    /// The agent that answers for it.
    #[oai(validator(min_length = 1, max_length = 128))]
    pub owner: Option<String>,
    /// A JSON object of its own making, as a whole; at most 16 KiB. Everybody in the project reads it.
    pub metadata: Option<BTreeMap<String, Any<Value>>>,
    /// How it can be woken, as a whole.
    pub wake: Option<WakeBody>,
    /// What is to be taken out of the record.
    #[oai(validator(max_items = 4))]
    pub clear: Option<Vec<ClearedView>>,
}

/// How an agent can be woken.
#[derive(Debug, Clone, Object)]
#[oai(rename = "WakeDetails", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct WakeBody {
    /// By which means.
    pub method: WakeMethodView,
    /// Where, in the words of the method, such as an address or the name of a workflow; at most 512 bytes. Everybody in the
    /// project reads it, so it is no place for secrets.
    #[oai(validator(min_length = 1, max_length = 512))]
    pub detail: Option<String>,
    /// When it was last seen to work.
    pub tested_at: Option<DateTime<Utc>>,
}

/// What can be taken out of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "ClearedAgentDetail", rename_all = "snake_case")]
pub enum ClearedView {
    /// What people call it.
    DisplayName,
    /// More about where it runs.
    Tag,
    /// The rules it follows.
    Profile,
    /// The agent that answers for it.
    Owner,
}

impl AgentBody {
    /// Checks every field.
    pub fn read(self) -> Result<AgentChange, Problem> {
        let Self { display_name, environment, tag, capabilities, profile, owner, metadata, wake, clear } = self;
        let clear = clear.unwrap_or_default();
        let is_cleared = |what| clear.contains(&what);
        Ok(AgentChange {
            display_name: edit(
                "display_name",
                display_name.as_deref(),
                DisplayName::parse,
                is_cleared(ClearedView::DisplayName),
            )?,
            environment: environment.map(Into::into),
            tag: edit("tag", tag.as_deref(), EnvironmentTag::parse, is_cleared(ClearedView::Tag))?,
            capabilities: capabilities.as_deref().map(read_capabilities).transpose()?,
            profile: edit("profile", profile.as_deref(), ProfileName::parse, is_cleared(ClearedView::Profile))?,
            owner: edit("owner", owner.as_deref(), AgentId::parse, is_cleared(ClearedView::Owner))?,
            metadata: metadata.map(read_metadata).transpose()?,
            wake: wake.map(WakeBody::read).transpose()?,
        })
    }
}

impl WakeBody {
    fn read(self) -> Result<Wake, Problem> {
        let Self { method, detail, tested_at } = self;
        let detail = detail.as_deref().map(WakeDetail::parse).transpose();
        let detail = detail.map_err(|error| Problem::invalid("wake.detail", &error))?;
        if tested_at.is_some_and(|at| !(0..=TESTED_YEAR_MAX).contains(&at.year())) {
            return Err(Problem::invalid("wake.tested_at", &"is no time at which anything was tested"));
        }
        Ok(Wake { method: method.into(), detail, tested_at: tested_at.map(|at| at.trunc_subsecs(FRACTION_DIGITS)) })
    }
}

fn edit<T, E: ToString>(
    field: &str,
    given: Option<&str>,
    parse: impl FnOnce(&str) -> Result<T, E>,
    is_cleared: bool,
) -> Result<Edit<T>, Problem> {
    match (given, is_cleared) {
        (None, false) => Ok(Edit::Keep),
        (None, true) => Ok(Edit::Clear),
        (Some(_), true) => Err(Problem::invalid("clear", &format!("names `{field}`, which is given as well"))),
        (Some(text), false) => parse(text).map(Edit::Set).map_err(|error| Problem::invalid(field, &error)),
    }
}

fn read_capabilities(names: &[String]) -> Result<BTreeSet<Capability>, Problem> {
    let parsed = names.iter().enumerate().map(|(at, text)| {
        Capability::parse(text).map_err(|error| Problem::invalid(&format!("capabilities[{at}]"), &error))
    });
    parsed.collect()
}

fn read_metadata(fields: BTreeMap<String, Any<Value>>) -> Result<Metadata, Problem> {
    let object = fields.into_iter().map(|(name, Any(value))| (name, value)).collect();
    Metadata::try_new(object).map_err(|error| Problem::invalid("metadata", &error))
}
