//! What answers about agents look like on the wire.

use crate::agents::registry::queries::{AgentCount, AgentCounts, SeenAgent};
use crate::identity::views::RoleView;
use chrono::{DateTime, Utc};
use domain::agents::environment::EnvironmentKind;
use domain::agents::record::AgentRecord;
use domain::agents::status::{Ground, GroundKind, SessionSigns, Status};
use domain::agents::uptime::Uptime;
use domain::agents::wake::{Wake, WakeMethod};
use poem_openapi::types::Any;
use poem_openapi::{Enum, Object};
use serde_json::Value;
use std::collections::BTreeMap;

/// Declares an enumeration on the wire that mirrors one of the domain.
macro_rules! mirror {
    ($(#[$doc:meta])* $view:ident, $name:literal, $of:ident { $($(#[$variant_doc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
        #[oai(rename = $name, rename_all = "snake_case")]
        pub enum $view {
            $($(#[$variant_doc])* $variant,)+
        }

        impl From<$of> for $view {
            fn from(of: $of) -> Self {
                match of {
                    $($of::$variant => Self::$variant,)+
                }
            }
        }

        impl From<$view> for $of {
            fn from(view: $view) -> Self {
                match view {
                    $($view::$variant => Self::$variant,)+
                }
            }
        }
    };
}

mirror!(
    /// The kind of place an agent runs in.
    EnvironmentView, "AgentEnvironment", EnvironmentKind {
        /// A person's computer.
        Pc,
        /// A machine that is rented.
        Cloud,
        /// A job of continuous integration.
        Ci,
        /// Somewhere else, or nobody said.
        Other,
    }
);
mirror!(
    /// How an agent that does nothing can be made to look.
    WakeMethodView, "WakeMethod", WakeMethod {
        /// Not at all: it looks when somebody starts it.
        None,
        /// It asks now and then.
        Poll,
        /// It listens to a stream.
        Stream,
        /// A hook of its own tool asks for it.
        Hook,
        /// A request to an address of its own.
        Webhook,
        /// A job that is started for it.
        CiDispatch,
        /// A program that stays and starts it.
        Resident,
    }
);
mirror!(
    /// How an agent is, judged at the moment of this answer.
    StatusView, "AgentStatus", Status {
        /// It lives and does a task, or holds a lock and waits for none.
        Working,
        /// It lives, stands in line for locks, and does no task.
        Waiting,
        /// It lives and holds nothing.
        Idle,
        /// It was silent for longer than half of its TTL, or has never been heard from.
        Unreachable,
        /// No session of it lives, or it is deregistered.
        Dead,
    }
);
mirror!(
    /// One thing that a status is based on.
    GroundKindView, "AgentGroundKind", GroundKind {
        /// It is deregistered, since `at`.
        Deregistered,
        /// It is registered, since `at`, and no session of it was ever there.
        NeverSeen,
        /// The session lives; `at` is its last sign of life.
        SessionLive,
        /// The session lives, but was silent for longer than half of its TTL; `at` is its last sign of life.
        SessionSilent,
        /// The session ended or died at `at`, the last one that did.
        SessionEnded,
        /// The session does `count` tasks, the first since `at`.
        Task,
        /// The session holds `count` locks, the first since `at`.
        Lock,
        /// The session has `count` places in line for locks, the first since `at`.
        Line,
    }
);

/// What a status is based on.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AgentGround", skip_serializing_if_is_none)]
pub struct GroundView {
    /// What it is.
    pub kind: GroundKindView,
    /// Of which session.
    pub session: Option<String>,
    /// When it was so, or since when it is.
    pub at: DateTime<Utc>,
    /// Until when the session lives unless it is heard from before.
    pub until: Option<DateTime<Utc>>,
    /// How many tasks, locks or places there are; 1 of everything else.
    pub count: u32,
}

impl From<Ground> for GroundView {
    fn from(Ground { kind, session, at, until, count }: Ground) -> Self {
        Self { kind: kind.into(), session: session.map(Into::into), at, until, count }
    }
}

/// How an agent can be woken, as it said itself.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Wake", skip_serializing_if_is_none)]
pub struct WakeView {
    /// By which means.
    pub method: WakeMethodView,
    /// Where, in the words of the method.
    pub detail: Option<String>,
    /// When it was last seen to work.
    pub tested_at: Option<DateTime<Utc>>,
}

impl From<Wake> for WakeView {
    fn from(Wake { method, detail, tested_at }: Wake) -> Self {
        Self { method: method.into(), detail: detail.map(Into::into), tested_at }
    }
}

/// The record of an agent.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AgentRecord", skip_serializing_if_is_none)]
pub struct RecordView {
    /// Its name.
    pub agent: String,
    /// What people call it.
    pub display_name: Option<String>,
    /// Its kind, from the key it last registered with.
    pub agent_type: String,
    /// What the key may do that it last registered with.
    pub role: RoleView,
    /// Where it runs.
    pub environment: EnvironmentView,
    /// More about where it runs.
    pub tag: Option<String>,
    /// What it can do.
    pub capabilities: Vec<String>,
    /// The name of the rules it follows.
    pub profile: Option<String>,
    /// The agent that answers for it.
    pub owner: Option<String>,
    /// A JSON object of its own making.
    pub metadata: BTreeMap<String, Any<Value>>,
    /// How it can be woken.
    pub wake: WakeView,
    /// When the record was made, or came back after it was deregistered.
    pub registered_at: DateTime<Utc>,
    /// When the record was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deregistered, if it is.
    pub deregistered_at: Option<DateTime<Utc>>,
}

impl From<AgentRecord> for RecordView {
    fn from(record: AgentRecord) -> Self {
        Self {
            agent: record.id.into(),
            display_name: record.display_name.map(Into::into),
            agent_type: record.agent_type.into(),
            role: record.role.into(),
            environment: record.environment.into(),
            tag: record.tag.map(Into::into),
            capabilities: record.capabilities.into_iter().map(Into::into).collect(),
            profile: record.profile.map(Into::into),
            owner: record.owner.map(Into::into),
            metadata: record.metadata.object().iter().map(|(name, value)| (name.clone(), Any(value.clone()))).collect(),
            wake: record.wake.into(),
            registered_at: record.registered_at,
            updated_at: record.updated_at,
            deregistered_at: record.deregistered_at,
        }
    }
}

/// An agent as it is at the moment of this answer.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Agent", skip_serializing_if_is_none)]
pub struct AgentView {
    /// What is known of it for good.
    #[oai(flatten)]
    pub record: RecordView,
    /// How it is.
    pub status: StatusView,
    /// What that is based on, the most telling first; at most 10 of them.
    pub based_on: Vec<GroundView>,
    /// The last sign of life of any of its sessions, to a tenth of the TTL; absent if there was never one.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// How many grounds are shown.
const GROUNDS_SHOWN: usize = 10;

impl From<SeenAgent> for AgentView {
    fn from(SeenAgent { record, signs: _, verdict }: SeenAgent) -> Self {
        Self {
            record: record.into(),
            status: verdict.status.into(),
            based_on: verdict.grounds.into_iter().take(GROUNDS_SHOWN).map(Into::into).collect(),
            last_seen_at: verdict.last_seen_at,
        }
    }
}

/// A session and what it holds.
#[derive(Debug, Clone, Object)]
#[oai(rename = "SeenSession", skip_serializing_if_is_none)]
pub struct SeenSessionView {
    /// Its name.
    pub session: String,
    /// Whether it lives at the moment of this answer.
    pub live: bool,
    /// How long it lives after each sign of life, in seconds.
    pub ttl_seconds: u32,
    /// When it was first used.
    pub started_at: DateTime<Utc>,
    /// Its last sign of life, to a tenth of the TTL.
    pub last_seen_at: DateTime<Utc>,
    /// Until when it lives unless it is heard from before. Of one that lives no more, when it died or was ended.
    pub live_until: DateTime<Utc>,
    /// Tasks it is doing.
    pub tasks: u32,
    /// Locks it holds.
    pub locks: u32,
    /// Places it has in line for locks.
    pub places: u32,
}

impl SeenSessionView {
    fn new(session: SessionSigns, now: DateTime<Utc>) -> Self {
        let live = session.is_live(now);
        let SessionSigns { id, ttl, started_at, last_seen_at, live_until, ended_at: _, tasks, locks, places } = session;
        Self {
            session: id.into(),
            live,
            ttl_seconds: ttl.seconds(),
            started_at,
            last_seen_at,
            live_until,
            tasks: tasks.count,
            locks: locks.count,
            places: places.count,
        }
    }
}

/// An agent with its sessions.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AgentDetail", skip_serializing_if_is_none)]
pub struct AgentDetailView {
    /// The agent.
    #[oai(flatten)]
    pub agent: AgentView,
    /// Its sessions, those heard from last first: at most 100 that have not ended, and the one that ended last.
    pub sessions: Vec<SeenSessionView>,
}

impl AgentDetailView {
    /// As it is at an instant of the store's clock.
    pub fn new(seen: SeenAgent, now: DateTime<Utc>) -> Self {
        let mut sessions = seen.signs.sessions.clone();
        sessions.sort_by(|one, other| (other.last_seen_at, &other.id).cmp(&(one.last_seen_at, &one.id)));
        let sessions = sessions.into_iter().map(|session| SeenSessionView::new(session, now)).collect();
        Self { agent: seen.into(), sessions }
    }
}

/// A page of agents.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AgentPage", skip_serializing_if_is_none)]
pub struct AgentPageView {
    /// At most the asked number, by name.
    pub agents: Vec<AgentView>,
    /// Present it as `cursor` for the next page; absent at the end. A page by status can be short and have a next one.
    pub next_cursor: Option<String>,
}

/// How many agents of an environment are in a status.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AgentCount", skip_serializing_if_is_none)]
pub struct AgentCountView {
    /// Where they run.
    pub environment: EnvironmentView,
    /// How they are.
    pub status: StatusView,
    /// How many.
    pub agents: u32,
    /// The last sign of life of the one that has been silent for longest; absent if none was ever heard from.
    pub oldest_heartbeat: Option<DateTime<Utc>>,
    /// The last sign of life of any of them.
    pub newest_heartbeat: Option<DateTime<Utc>>,
}

impl From<AgentCount> for AgentCountView {
    fn from(count: AgentCount) -> Self {
        let AgentCount { environment, status, agents, oldest_heartbeat, newest_heartbeat } = count;
        Self { environment: environment.into(), status: status.into(), agents, oldest_heartbeat, newest_heartbeat }
    }
}

/// How many agents there are.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AgentCounts")]
pub struct AgentCountsView {
    /// By environment, then status. Pairs with none are left out.
    pub counts: Vec<AgentCountView>,
    /// Whether all agents were counted; of more than 20,000 the rest is not.
    pub complete: bool,
}

impl From<AgentCounts> for AgentCountsView {
    fn from(AgentCounts { counts, is_complete }: AgentCounts) -> Self {
        Self { counts: counts.into_iter().map(Into::into).collect(), complete: is_complete }
    }
}

/// For which part of a window an agent was there.
#[derive(Debug, Clone, Object)]
#[oai(rename = "AgentUptime")]
pub struct UptimeView {
    /// Its name.
    pub agent: String,
    /// Where the window begins.
    pub from: DateTime<Utc>,
    /// Where it ends: the moment of this answer.
    pub to: DateTime<Utc>,
    /// The time in which at least one session lived, as a part of the window, 0 to 1.
    pub uptime: f64,
    /// That time in milliseconds.
    pub lived_ms: i64,
    /// The longest time of the window in which no session lived, in milliseconds.
    pub longest_gap_ms: i64,
    /// How many sessions lived in the window.
    pub sessions: u32,
}

impl UptimeView {
    /// Of an agent.
    pub fn new(agent: String, uptime: Uptime) -> Self {
        let Uptime { from, to, lived, share, sessions, longest_gap } = uptime;
        let (lived_ms, longest_gap_ms) = (lived.num_milliseconds(), longest_gap.num_milliseconds());
        Self { agent, from, to, uptime: share, lived_ms, longest_gap_ms, sessions }
    }
}
