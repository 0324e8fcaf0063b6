use super::Kind;

/// Declares each kind as a constant and lists them all in [`SLUGS`], so that none can be forgotten.
macro_rules! kinds {
    ($($name:ident, $slug:literal, $status:literal, $title:literal, $meaning:literal, $remedy:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Kind =
                Kind { slug: $slug, status: $status, title: $title, meaning: $meaning, remedy: $remedy };
        )*

        /// Every kind of problem, by status.
        pub const SLUGS: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    MALFORMED_REQUEST, "malformed-request", 400, "The request cannot be read",
        "The body is not JSON, or the request breaks the rules of HTTP.",
        "Mend the request. `detail` says where reading stopped.";
    UNAUTHENTICATED, "unauthenticated", 401, "A valid key is needed",
        "The request carries no key, or one that is unknown, expired or revoked. Which of these is not told.",
        "Send `Authorization: Bearer <key>` or `X-API-Key: <key>`.";
    ROLE_TOO_LOW, "role-too-low", 403, "The key's role does not allow this",
        "The operation needs the role `orchestrator` or `admin`.",
        "Use a key of that role, or ask someone who has one.";
    NOT_YOUR_AGENT, "not-your-agent", 403, "The key belongs to another agent",
        "The request names an agent the key is not bound to.",
        "Leave the agent out, or use that agent's own key.";
    NOT_YOUR_PROJECT, "not-your-project", 403, "The key belongs to another project",
        "The request names a project the key is not bound to.",
        "Leave the project out, or use a key of that project.";
    NEEDS_ALL_PROJECTS, "needs-all-projects", 403, "The key is bound to one project",
        "The operation concerns projects as such and needs a key that is bound to none of them.",
        "Use an admin key made for all projects.";
    SESSION_NOT_YOURS, "session-not-yours", 403, "The session belongs to another agent",
        "A session id belongs to the agent that used it first.",
        "Choose another id for `X-Session-Id`.";
    TICKET_NOT_YOURS, "ticket-not-yours", 403, "The ticket belongs to another session",
        "A place in line can be kept only by the session that waited for it.",
        "Ask again without the ticket.";
    NOT_HOLDER, "not-holder", 403, "Another session holds it",
        "The token is good, but it was given to another session.",
        "Let the session that acquired the lock, or claimed the task, go on with it.";
    TASK_NOT_HELD, "task-not-held", 403, "The task is not yours",
        "A message names the task its sender works on, and the sender's session does not hold that task.",
        "Leave `task` out and point to it in `links`, or send from the session that holds it.";
    NOT_ON_BEHALF, "not-on-behalf", 403, "You do not act for that agent",
        "An agent may write for whoever submitted the task it holds; an orchestrator for anybody.",
        "Leave `on_behalf_of` out, or name the `task` that the agent submitted and you hold.";
    NOT_YOUR_MEMBERSHIP, "not-your-membership", 403, "Only orchestrators move others",
        "An agent lets itself join groups and leave them.",
        "Leave `agent` out, or use the key of an orchestrator.";
    MEMORY_NOT_YOURS, "memory-not-yours", 403, "The memory was written by another agent",
        "Only the agent that wrote a memory, and orchestrators, say what becomes of it.",
        "Say what you found of it, or let a memory of your own take its place.";
    WORKING_MEMORY_NOT_YOURS, "working-memory-not-yours", 403, "The working memory is another agent's",
        "What a session keeps is read by its agent, by orchestrators, and by whoever took a handoff that the session gave.",
        "Take a handoff of that session first, or read your own.";
    PROCEDURE_NOT_YOURS, "procedure-not-yours", 403, "The procedure was first written by another agent",
        "A procedure is retired and deleted by the agent that wrote its first version, and by orchestrators.",
        "Write a better version, report how it went, or leave it to an orchestrator.";
    HANDOFF_NOT_FOR_YOU, "handoff-not-for-you", 403, "The handoff is offered to others",
        "It is offered to another agent, or to agents that can do something you did not say you can; or you gave it yourself, \
         in this very session.",
        "Look at its `offer`. Say what you can do when you register, or call from another session.";
    HANDOFF_NOT_YOURS, "handoff-not-yours", 403, "The handoff was given by another agent",
        "Only the agent that made an offer can take it back.",
        "Decline it, if it is offered to you.";
    WEBHOOK_ADDRESS_REFUSED, "webhook-address-refused", 403, "The address of the webhook cannot be called",
        "Webhooks go to public hosts over https. The host stands for another address, or for none; `detail` says which.",
        "Give a public address, or have the operator allow this one: see `WEBHOOKS_ALLOWED_HOSTS`.";
    ALERT_NOT_YOURS, "alert-not-yours", 403, "The alert was raised by somebody else",
        "An alert is resolved by an orchestrator, or by who raised it.",
        "Leave it to an orchestrator.";
    NOT_FOUND, "not-found", 404, "There is nothing at this address",
        "The path is not one of the server's.",
        "Compare the path with `/openapi.json`.";
    KEY_UNKNOWN, "key-unknown", 404, "There is no such key",
        "No API key of that id exists in this project.",
        "List the keys to find the right id.";
    PROJECT_UNKNOWN, "project-unknown", 404, "There is no such project",
        "No project of that name exists.",
        "List the projects, or create it first.";
    SESSION_UNKNOWN, "session-unknown", 404, "There is no such session",
        "No session of that name was ever used in this project.",
        "Register it, or make any other call in it.";
    AGENT_UNKNOWN, "agent-unknown", 404, "There is no such agent",
        "No agent of that name ever registered or started a session in this project.",
        "List the agents to find the right name.";
    TOKEN_UNKNOWN, "token-unknown", 404, "There is no such token",
        "The fencing token was never given for this key.",
        "Send the token that came with the grant.";
    HANDOFF_UNKNOWN, "handoff-unknown", 404, "There is no such handoff",
        "No handoff of that id exists in this project, or it was over long ago and removed.",
        "List the handoffs to find the right id.";
    MEMORY_UNKNOWN, "memory-unknown", 404, "There is no such memory",
        "There is no memory of that id, it was forgotten, or you may not read it: which of these is not told.",
        "Search, or list the memories, to find the right id.";
    WORKING_ENTRY_UNKNOWN, "working-entry-unknown", 404, "There is no such entry",
        "The session keeps nothing under this key: it never did, it was taken out, it expired, or it gave way to `~summary`.",
        "Read the whole working memory to see what is there.";
    PROCEDURE_UNKNOWN, "procedure-unknown", 404, "There is no such procedure",
        "No procedure of that name exists in this project, or it was deleted.",
        "List the procedures to find the right name.";
    PROCEDURE_VERSION_UNKNOWN, "procedure-version-unknown", 404, "There is no such version",
        "The procedure has no version of that number.",
        "Look at the procedure: `versions` lists those it has.";
    WEBHOOK_UNKNOWN, "webhook-unknown", 404, "There is no such webhook",
        "No webhook of that id exists in this project.",
        "List the webhooks to find the right id.";
    WEBHOOK_DELIVERY_UNKNOWN, "webhook-delivery-unknown", 404, "There is no such delivery",
        "The webhook never told of that fact, or it was over more than seven days ago.",
        "List the deliveries of the webhook.";
    ALERT_UNKNOWN, "alert-unknown", 404, "There is no such alert",
        "No alert of that id exists in this project, or it was resolved long ago and removed.",
        "List the alerts to find the right id.";
    SCHEDULE_UNKNOWN, "schedule-unknown", 404, "There is no such schedule",
        "No schedule of that id exists in this project.",
        "List the schedules to find the right id.";
    TASK_UNKNOWN, "task-unknown", 404, "There is no such task",
        "No task of that id exists in this project, or it ended long ago and was removed.",
        "List the tasks to find the right id.";
    CLAIM_UNKNOWN, "claim-unknown", 404, "There is no such claim",
        "The task was never claimed under this token.",
        "Send the token that came with the claim.";
    MESSAGE_UNKNOWN, "message-unknown", 404, "There is no such message for you",
        "No message of that id was sent to you or by you in this project, or it was over long ago and was removed.",
        "Receive, or list your inbox, to find the right id.";
    NOT_IN_GROUP, "not-in-group", 404, "The agent is not in the group",
        "Nobody can leave a group without being in it.",
        "List the group to see who is.";
    METHOD_NOT_ALLOWED, "method-not-allowed", 405, "The resource does not know this method",
        "The path is right, the method is not.",
        "Use one of the methods in the `Allow` header.";
    LOCK_HELD, "lock-held", 409, "The lock is held",
        "Some of the keys are held, or wanted by someone who came first. `conflicts` lists each obstacle with its holder. \
         After a wait, `ticket` keeps the place in line for 15 s, and `position` says which it is.",
        "Ask again with `wait_seconds`, presenting the `ticket` if there is one, or work on something else. Ask under a new \
         `Idempotency-Key`, or none: the one that was sent replays this refusal, even when the lock is free again.";
    DEADLOCK, "deadlock", 409, "Waiting would close a circle",
        "Each session in `cycle` waits for the next, so that none could go on.",
        "Release something you hold, then ask again.";
    IDEMPOTENCY_KEY_REUSED, "idempotency-key-reused", 409, "The idempotency key was used for another request",
        "A request with the same `Idempotency-Key` but other content was answered before.",
        "Use a new key for each new request.";
    PROJECT_EXISTS, "project-exists", 409, "The project exists already",
        "A project of that name is there.",
        "Use it, or choose another name.";
    PROJECT_ARCHIVED, "project-archived", 409, "The project is archived",
        "An archived project can be read but not changed.",
        "Work in another project.";
    PROJECT_DEFAULT_STAYS, "project-default-stays", 409, "The project `default` cannot be archived",
        "Keys from the environment belong to it unless they say otherwise.",
        "Leave it as it is.";
    AGENT_DEREGISTERED, "agent-deregistered", 409, "The agent is deregistered",
        "The record of an agent that was deregistered stays as it is.",
        "Let the agent register again first.";
    HANDOFF_NOT_HELD, "handoff-not-held", 409, "What is to be handed over is not held",
        "Your session does not hold some of the locks or tasks that were named; `not_held` lists each of them, and why. \
         Nothing was written.",
        "Leave them out, or hand over what they belong to.";
    HANDOFF_NOT_OFFERED, "handoff-not-offered", 409, "The handoff is a record",
        "It was written to be read and is offered to nobody.",
        "Read it.";
    HANDOFF_TAKEN, "handoff-taken", 409, "Somebody took the handoff first",
        "`taken_by` tells who, in which session, and when. Nothing was changed.",
        "Look for another one, or ask the taker.";
    MEMORY_SUPERSEDED, "memory-superseded", 409, "Another memory took its place before",
        "A memory is superseded once; `detail` names what took its place.",
        "Supersede that one.";
    MEMORY_ELSEWHERE, "memory-elsewhere", 409, "The memory has another scope",
        "A memory takes the place of one of its own scope, and a private one only of the same agent's.",
        "Remember it in the scope of the older one, or without `supersedes`.";
    WORKING_ENTRY_CHANGED, "working-entry-changed", 409, "The entry has another version",
        "`if_version` is not the version that the entry has, or it is not there. `detail` tells which it has. Nothing was changed.",
        "Read the entry, and write again with its version.";
    WORKING_MEMORY_FULL, "working-memory-full", 409, "It does not fit into the working memory",
        "What is pinned, and the entry itself, leave no room in the budget of the session for a summary of the rest. Pinned \
         entries never give way. Nothing was changed.",
        "Unpin or take out what is not needed, write less, or set a greater budget.";
    PROCEDURE_CHANGED, "procedure-changed", 409, "The procedure has another version",
        "`if_version` is not the latest version. `detail` tells which is. Nothing was changed.",
        "Look at the procedure, and write again after its latest version.";
    PROCEDURE_VERSIONS_FULL, "procedure-versions-full", 409, "The procedure has too many versions",
        "A procedure may have 200 versions.",
        "Write it under another name, and retire this one.";
    TASK_RUNNING, "task-running", 409, "Somebody works on the task",
        "The task is claimed; `held_by` tells by whom and until when.",
        "Cancel it, or wait until the attempt is over.";
    SCHEDULE_EXISTS, "schedule-exists", 409, "The schedule exists already",
        "A schedule of that name is there.",
        "Use it, take it away first, or choose another name.";
    SCHEDULES_FULL, "schedules-full", 409, "There are too many schedules",
        "A project may have 1,000 schedules.",
        "Take away those that are not needed any more.";
    WEBHOOKS_FULL, "webhooks-full", 409, "There are too many webhooks",
        "A project may have 100 webhooks.",
        "Take away those that are not needed any more.";
    WEBHOOK_NOT_ACTIVE, "webhook-not-active", 409, "The webhook tells nothing now",
        "It is paused, or was given up because its target failed for too long.",
        "Resume it first.";
    WEBHOOK_DELIVERY_PENDING, "webhook-delivery-pending", 409, "The delivery is not over",
        "It still waits to be told, or is being told.",
        "Wait until it is delivered or dead.";
    ALERT_RESOLVED, "alert-resolved", 409, "The alert is resolved",
        "What is over cannot be taken up.",
        "Raise a new one if it happens again.";
    TASK_ENDED, "task-ended", 409, "The task has ended",
        "The task has come to another end already.",
        "Look at the task; submit a new one if it has to be done again.";
    TASK_NOT_DEAD, "task-not-dead", 409, "The task is not a dead letter",
        "Only tasks that failed for good can be tried again or thrown away by hand.",
        "Look at the task.";
    DEADLINE_PASSED, "deadline-passed", 409, "The deadline of the task comes first",
        "The task's deadline has come, or comes before the time that was named.",
        "Submit a new task with a later deadline.";
    CONVERSATION_STOPPED, "conversation-stopped", 409, "The two agents were stopped",
        "They did nothing but answer each other for minutes. Their owners were told.",
        "Do something else. It may go on at the instant in `detail`, or when an orchestrator resumes it.";
    CONVERSATION_NOT_STOPPED, "conversation-not-stopped", 409, "The conversation is not stopped",
        "Nothing keeps the two agents from answering each other.",
        "Nothing needs to be done.";
    NOT_OFFERED, "not-offered", 409, "The message is not in your hands",
        "Only the session that received a message can return it, and only as long as it is its own.",
        "Receive again.";
    GROUPS_FULL, "groups-full", 409, "There are too many groups",
        "A project may have 1,000 groups, and an agent may be in 100.",
        "Leave those that are not needed any more.";
    GROUP_FULL, "group-full", 409, "The group has too many members",
        "A group may have 1,000 members.",
        "Write to an environment, a capability or everyone instead.";
    CLAIM_STALE, "claim-stale", 410, "The claim no longer stands",
        "The claim has lapsed or was ended; `claim` tells how its attempt ended, what the task is in, and who has it now. \
         Nothing was changed.",
        "Stop working on the task. Claim again to get another, or the same one anew.";
    DELIVERY_ENDED, "delivery-ended", 410, "The message is over for you",
        "It expired, or was given up after five attempts or at its deadline; the sender was told. Nothing was changed.",
        "If it still matters, write to the sender.";
    TOKEN_STALE, "token-stale", 410, "The token no longer stands for a lock",
        "The lock has expired, was released, or was taken away; `stale` tells how it ended and who holds the key now, and a forced \
         release tells by whom and why. Nothing was changed.",
        "Stop writing under that lock. Acquire it anew before going on.";
    MEMORY_REDACTED, "memory-redacted", 410, "The words of the memory are gone",
        "It was redacted, and nothing can become of it any more.",
        "Remember something new.";
    HANDOFF_OVER, "handoff-over", 410, "The handoff is over",
        "It was declined or withdrawn, or nobody took it in time.",
        "Ask its giver for a new one.";
    TICKET_EXPIRED, "ticket-expired", 410, "The place in line is gone",
        "The ticket was not presented within 15 s.",
        "Ask again without it.";
    SESSION_ENDED, "session-ended", 410, "The session has ended",
        "A session that was ended, or was not heard from for its TTL, cannot be revived. What it held is free.",
        "Choose a new id for `X-Session-Id`.";
    KEY_REVOKED, "key-revoked", 410, "The key was revoked",
        "The API key named in the request was revoked before.",
        "Create a new one.";
    BODY_TOO_LARGE, "body-too-large", 413, "The body is too large",
        "A request body may have 1 MiB at most, and 8 MiB where tasks are submitted or memories are imported.",
        "Send less, in several requests if need be.";
    UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", 415, "The body's media type is not understood",
        "Bodies are JSON and say so; imports are lines of JSON.",
        "Send `Content-Type: application/json`, or `application/x-ndjson` to import.";
    INVALID_VALUE, "invalid-value", 422, "A value is not acceptable",
        "The request can be read, but some value in it is missing or breaks a rule. `errors` lists each field.",
        "Mend the fields named in `errors`.";
    EXPIRY_PASSED, "expiry-passed", 422, "The expiry lies in the past",
        "A key must expire in the future, or never.",
        "Send a later `expires_at`.";
    SCHEDULE_NEVER_FIRES, "schedule-never-fires", 422, "The schedule would never fire",
        "The time pattern can be read, but no day of the calendar fits it, such as the 30th of February.",
        "Send another `cron`.";
    SUBMISSION_REFUSED, "submission-refused", 422, "Tasks cannot be submitted",
        "Tasks of the call depend on what is not there, on themselves in a circle, or on too much, or their times make no \
         sense. `errors` tells which, and names each circle. Nothing was submitted.",
        "Mend the tasks named in `errors`, or send `\"together\": \"each_alone\"` to submit the others.";
    SECRET_FOUND, "secret-found", 422, "There is a secret in it",
        "Keys, tokens and passwords are not kept where others read. `errors` tells in which field each was found, and by which \
         rule, never the secret. Nothing was written.",
        "Leave the secret out, and say instead where it is kept. If it was real, let it be renewed.";
    IMPORT_REFUSED, "import-refused", 422, "The lines cannot be imported",
        "Some lines are not what they must be; `errors` tells each with its line. Nothing was stored.",
        "Mend the lines named in `errors`, and send all of them again.";
    TIME_OUT_OF_REACH, "time-out-of-reach", 422, "The time is not one that can be waited for",
        "Times must lie ahead, and at most ten years.",
        "Send another time.";
    TICKET_MISMATCH, "ticket-mismatch", 422, "The ticket was given for another request",
        "A ticket is good only for the keys and modes it was given for.",
        "Repeat the same keys and modes, or ask without the ticket.";
    RECIPIENTS_UNKNOWN, "recipients-unknown", 422, "There are no such agents",
        "Agents that are named have no record in the project, or were deregistered; `detail` lists all of them. Nothing was sent.",
        "List the agents to find the right names.";
    AUDIENCE_EMPTY, "audience-empty", 422, "Nobody would get the message",
        "Nobody is in the group, or nobody would have to acknowledge the message. Nothing was sent.",
        "List the agents or the group, and write to somebody who is there.";
    AUDIENCE_TOO_LARGE, "audience-too-large", 422, "Too many would have to acknowledge it",
        "A message that has to be acknowledged may go to 1,000 agents. Nothing was sent.",
        "Leave `ack_required` out, or write to fewer.";
    REPLY_UNKNOWN, "reply-unknown", 422, "There is no such message to answer",
        "`in_reply_to` names no message that was sent to you or by you. Nothing was sent.",
        "Send the id of the message as you received it.";
    INBOX_FULL, "inbox-full", 429, "An inbox is full",
        "A recipient has 1,000 messages that are not over; `detail` lists all such recipients. Nothing was sent and nothing \
         was dropped.",
        "Try again after `retry_after_ms`, or tell the orchestrators. Ask under a new `Idempotency-Key`, or none: the one \
         that was sent replays this refusal.";
    CONVERSATION_SLOWED, "conversation-slowed", 429, "The two agents answer each other too often",
        "More replies went to and fro in a minute than are allowed; `detail` says from when on the next one is taken.",
        "Wait, and think about whether an answer is needed. Going on at this pace stops the conversation.";
    TOO_MANY_FOLLOWERS, "too-many-followers", 429, "This agent follows events too often",
        "The agent has as many open streams and waiting requests for events on this server as one agent may.",
        "Close those that are not needed, or follow once and hand on what comes.";
    LINE_FULL, "line-full", 429, "Too many are waiting",
        "The line of the project has reached its limit.",
        "Try again after `retry_after_ms`, or ask without waiting. Ask under a new `Idempotency-Key`, or none: the one that \
         was sent replays this refusal.";
    WEBHOOK_BACKLOG_FULL, "webhook-backlog-full", 429, "Too many deliveries wait",
        "1,000 deliveries of the webhook wait to be told. Facts are not lost: they wait in their log.",
        "See to the target, and try again after `retry_after_ms`.";
    PROCEDURES_FULL, "procedures-full", 429, "Too many procedures",
        "A project may have 2,000 procedures, retired ones included.",
        "Delete some that nobody needs any more.";
    ALERTS_FULL, "alerts-full", 429, "Too many alerts are not resolved",
        "A project may have 10,000 alerts that are not resolved.",
        "Resolve those that are over, and try again after `retry_after_ms`.";
    INTERNAL, "internal", 500, "The server has failed",
        "A defect. The request id is the same in the answer and in the server's log.",
        "Report it with the request id. It is not known whether the request took effect; repeat it with the same \
         `Idempotency-Key`.";
    UNAVAILABLE, "unavailable", 503, "The database does not answer",
        "The database is away, too slow, or refuses connections.",
        "Try again after `retry_after_ms`, with the same `Idempotency-Key`.";
    BUSY, "busy", 503, "The server has too much to do",
        "A queue is full, or the change lost the race for the same rows too often.",
        "Try again after `retry_after_ms`, with the same `Idempotency-Key`.";
    TIMEOUT, "timeout", 503, "The request took too long",
        "The request was given up after `API_REQUEST_TIMEOUT_SECONDS`. It is not known whether it took effect.",
        "Try again after `retry_after_ms`, with the same `Idempotency-Key`.";
    SHUTTING_DOWN, "shutting-down", 503, "The server is stopping",
        "The server takes in no new work, and answers those who wait. A `ticket` is good on any other server.",
        "Try again after `retry_after_ms`, on another server if there is one.";
    FOLLOWERS_FULL, "followers-full", 503, "Too many follow events on this server",
        "The server has as many open streams and waiting requests for events as it may.",
        "Try again after `retry_after_ms`, or at another server.";
    TOKENS_USED_UP, "tokens-used-up", 503, "The key has no fencing tokens left",
        "The numbers of the present epoch are used up for this key.",
        "Have an operator run `pointsman epoch bump`.";
}

/// The kind of that name.
pub fn find(slug: &str) -> Option<&'static Kind> {
    SLUGS.iter().copied().find(|kind| kind.slug == slug)
}
