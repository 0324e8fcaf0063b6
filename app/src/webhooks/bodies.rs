//! What requests about webhooks look like on the wire, and what they mean.

use crate::http::problem::Problem;
use domain::webhooks::address::Target;
use domain::webhooks::follows::{Follows, InvalidFollows};
use domain::webhooks::webhook::WebhookPatch;
use poem_openapi::Object;

/// A webhook to make.
#[derive(Debug, Clone, Object)]
#[oai(rename = "CreateWebhook", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct CreateWebhookBody {
    /// Where to: an `https` URL of a public host, without user name and `#`. Others only if the operator allows them.
    #[oai(validator(min_length = 1, max_length = 2048))]
    pub url: String,
    /// Kinds of facts: `task.completed`, all of a context (`task.*`), or all (`*`).
    #[oai(validator(min_items = 1, max_items = 50))]
    pub kinds: Vec<String>,
    /// Only facts about this subject; with a `*` at the end, about all that begin so.
    #[oai(validator(min_length = 1, max_length = 1024))]
    pub subject: Option<String>,
}

impl CreateWebhookBody {
    /// Reads it.
    pub fn read(self) -> Result<(Target, Follows), Problem> {
        Ok((target(&self.url)?, follows(self.kinds, self.subject)?))
    }
}

/// What is to be different about a webhook.
#[derive(Debug, Clone, Object)]
#[oai(rename = "ChangeWebhook", skip_serializing_if_is_none, deny_unknown_fields)]
pub struct ChangeWebhookBody {
    /// Another URL.
    #[oai(validator(min_length = 1, max_length = 2048))]
    pub url: Option<String>,
    /// Other kinds of facts.
    #[oai(validator(min_items = 1, max_items = 50))]
    pub kinds: Option<Vec<String>>,
    /// Another subject. Goes with `kinds`; left out beside them, facts about every subject are told.
    #[oai(validator(min_length = 1, max_length = 1024))]
    pub subject: Option<String>,
}

impl ChangeWebhookBody {
    /// Reads it.
    pub fn read(self) -> Result<WebhookPatch, Problem> {
        let target = self.url.as_deref().map(target).transpose()?;
        let follows = match (self.kinds, self.subject) {
            (Some(kinds), subject) => Some(follows(kinds, subject)?),
            (None, Some(_)) => return Err(Problem::invalid("subject", &"goes only with `kinds`")),
            (None, None) => None,
        };
        Ok(WebhookPatch { target, follows })
    }
}

fn target(url: &str) -> Result<Target, Problem> {
    Target::parse(url).map_err(|fault| Problem::invalid("url", &fault))
}

fn follows(kinds: Vec<String>, subject: Option<String>) -> Result<Follows, Problem> {
    Follows::try_new(kinds, subject).map_err(|fault| match &fault {
        InvalidFollows::Count | InvalidFollows::Kind(_) => Problem::invalid("kinds", &fault),
        InvalidFollows::Subject => Problem::invalid("subject", &fault),
    })
}
