//! Messages: what never changes as JSON beside the columns that are searched by, deliveries column by column.

mod deliveries;
mod groups;
mod inbox;
mod lists;
mod mail;
mod prune;
mod rows;
mod save;
mod words;

const HEADS: &str = "mail_heads";
const MESSAGES: &str = "messages";
const BODIES: &str = "message_bodies";
const DELIVERIES: &str = "deliveries";
const MAILBOXES: &str = "mailboxes";
const CONVERSATIONS: &str = "conversations";
const MEMBERS: &str = "group_members";
