//! What answers about groups and conversations look like on the wire.

use chrono::{DateTime, Utc};
use domain::messages::conversation::Conversation;
use domain::messages::group::{Group, Member};
use poem_openapi::Object;

/// A group of agents that get the same messages.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Group")]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// How many are in it.
    pub members: u32,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        Self { name: group.name.into(), members: group.members }
    }
}

/// A page of groups.
#[derive(Debug, Clone, Object)]
#[oai(rename = "GroupPage", skip_serializing_if_is_none)]
pub struct GroupPageView {
    /// At most the asked number, by name.
    pub groups: Vec<GroupView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// An agent in a group.
#[derive(Debug, Clone, Object)]
#[oai(rename = "Member")]
pub struct MemberView {
    /// The group.
    pub group: String,
    /// Who.
    pub agent: String,
    /// Since when: it gets what was sent after that.
    pub joined_at: DateTime<Utc>,
    /// Who let it join.
    pub added_by: String,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            group: member.group.into(),
            agent: member.agent.into(),
            joined_at: member.joined_at,
            added_by: member.added_by.into(),
        }
    }
}

/// The members of a group.
#[derive(Debug, Clone, Object)]
#[oai(rename = "MemberPage", skip_serializing_if_is_none)]
pub struct MemberPageView {
    /// At most the asked number, by name.
    pub members: Vec<MemberView>,
    /// Present it as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

/// An agent that left a group.
#[derive(Debug, Clone, Object)]
#[oai(rename = "LeftGroup")]
pub struct LeftView {
    /// The group.
    pub group: String,
    /// Who is not in it any more.
    pub agent: String,
}

/// Two agents that may answer each other again.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ResumedConversation")]
pub struct ResumedView {
    /// The two, by name.
    pub agents: Vec<String>,
}

impl From<Conversation> for ResumedView {
    fn from(conversation: Conversation) -> Self {
        let pair = conversation.pair;
        Self { agents: vec![pair.first().to_string(), pair.second().to_string()] }
    }
}
