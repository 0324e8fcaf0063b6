//! A work table that lives from command to command, a short way to write commands, and a look at everything that must
//! always hold after each of them.
//!
//! Tasks go by the names they were submitted under. `ann/1` is session `ann/1` of agent `ann`. Keys are separated by
//! blanks; `~` before a key means shared.

use crate::ids::{AgentId, AgentType, SessionId, TaskId};
use crate::locks::key::LockKey;
use crate::locks::lease::{Holder, Lease, Mode, Token, Ttl};
use crate::locks::stored::StoredLease;
use crate::locks::table::LockTable;
use crate::locks::wants::{Want, Wants};
use crate::work::attempt::{Attempt, AttemptEnd};
use crate::work::changes::{Changes, Loaded};
use crate::work::claim::{Claim, ClaimFilter, ClaimSize, Claimed};
use crate::work::content::{Content, Fault, Title};
use crate::work::graph::Edge;
use crate::work::name::{ConcurrencyKey, TaskType};
use crate::work::rank::Priority;
use crate::work::refusal::{SubmissionFault, WorkRefusal};
use crate::work::requires::{Claimant, Requires, Trust};
use crate::work::retry::{Chance, RetryPolicy};
use crate::work::submission::{Dependencies, Submission, Submit, TaskDraft, TaskRef, Together};
use crate::work::table::{Cancel, CancelOutcome, ClaimRef, Finished, WorkTable};
use crate::work::task::{Status, Task, TaskState};
use crate::work::terms::{Concurrency, ConcurrencyLimit, Labels, LeaseLength, OnDependencyFailure};
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub(super) struct Yard {
    pub(super) now: DateTime<Utc>,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) edges: BTreeSet<Edge>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) leases: BTreeMap<Token, Lease>,
    pub(super) session_ends: BTreeMap<SessionId, DateTime<Utc>>,
    /// What the last command changed.
    pub(super) changes: Changes,
    /// Of which tasks the dependents are loaded; `None` for all.
    pub(super) sees: Option<BTreeSet<TaskId>>,
    names: BTreeMap<String, TaskId>,
    last_token: i64,
    ids: u128,
}

pub(super) fn yard() -> Yard {
    Yard {
        now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        tasks: BTreeMap::new(),
        edges: BTreeSet::new(),
        attempts: Vec::new(),
        leases: BTreeMap::new(),
        session_ends: BTreeMap::new(),
        changes: Changes::default(),
        sees: None,
        names: BTreeMap::new(),
        last_token: 0,
        ids: 0,
    }
}

/// A task to be submitted.
#[derive(Clone)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) draft: TaskDraft,
    pub(super) after: Vec<String>,
    pub(super) parent: Option<String>,
}

pub(super) fn item(name: &str) -> Item {
    let draft = TaskDraft {
        content: Content { title: Title::parse(name).unwrap(), description: None, input: None },
        task_type: TaskType::parse("build").unwrap(),
        priority: Priority::DEFAULT,
        labels: Labels::default(),
        requires: Requires::default(),
        resources: None,
        concurrency: None,
        on_dependency_failure: OnDependencyFailure::Cancel,
        lease: LeaseLength::try_new(60).unwrap(),
        retry: RetryPolicy::try_new(3, 0, 0).unwrap(),
        not_before: None,
        deadline: None,
    };
    Item { name: name.to_owned(), draft, after: Vec::new(), parent: None }
}

impl Item {
    pub(super) fn after(mut self, names: &str) -> Self {
        self.after = names.split_whitespace().map(str::to_owned).collect();
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut TaskDraft)) -> Self {
        change(&mut self.draft);
        self
    }

    pub(super) fn needs(self, keys: &str) -> Self {
        self.with(|draft| draft.resources = Some(wants(keys)))
    }

    pub(super) fn priority(self, number: u8) -> Self {
        self.with(|draft| draft.priority = Priority::try_new(number).unwrap())
    }

    pub(super) fn policy(self, policy: OnDependencyFailure) -> Self {
        self.with(|draft| draft.on_dependency_failure = policy)
    }

    pub(super) fn key(self, key: &str, limit: u32) -> Self {
        let limit = ConcurrencyLimit::try_new(limit).unwrap();
        self.with(|draft| {
            draft.concurrency = Some(Concurrency { key: ConcurrencyKey::parse(key).unwrap(), limit });
        })
    }
}

pub(super) fn wants(keys: &str) -> Wants {
    let want = |key: &str| match key.strip_prefix('~') {
        Some(key) => Want { key: LockKey::parse(key).unwrap(), mode: Mode::Shared },
        None => Want { key: LockKey::parse(key).unwrap(), mode: Mode::Exclusive },
    };
    Wants::try_new(keys.split_whitespace().map(want).collect()).unwrap()
}

pub(super) fn holder(who: &str) -> Holder {
    let agent = who.split('/').next().unwrap();
    Holder { agent: AgentId::parse(agent).unwrap(), session: SessionId::parse(who).unwrap() }
}

pub(super) fn claimant(who: &str) -> Claimant {
    Claimant {
        holder: holder(who),
        agent_type: AgentType::parse("worker").unwrap(),
        capabilities: BTreeSet::new(),
        environment: None,
        trust: Trust::STANDARD,
    }
}

pub(super) fn claim(who: &str, tasks: u32) -> Claim {
    Claim {
        claimant: claimant(who),
        filter: ClaimFilter::default(),
        size: ClaimSize::try_new(tasks).unwrap(),
        lease: None,
        withheld: BTreeSet::new(),
        horizon: None,
    }
}

impl Yard {
    /// Loads everything, runs one command, saves what it changed, refused or not, and looks around.
    pub(super) fn run<T>(&mut self, command: impl FnOnce(&mut WorkTable, &mut LockTable) -> T) -> T {
        let far = self.now + TimeDelta::days(1);
        let stored = |lease: &Lease| StoredLease {
            session_until: self.session_ends.get(&lease.holder.session).copied().unwrap_or(far),
            lease: lease.clone(),
        };
        let mut locks = LockTable::new(crate::locks::changes::Loaded {
            now: self.now,
            last_token: self.last_token,
            leases: self.leases.values().map(stored).collect(),
            waiters: Vec::new(),
            ended: Vec::new(),
        });
        let mut table = WorkTable::new(self.loaded(), &mut locks);
        let answer = command(&mut table, &mut locks);
        self.save(table.into_changes(), &locks.into_changes());
        self.look_around();
        answer
    }

    fn loaded(&self) -> Loaded {
        let mut loaded = Loaded {
            tasks: self.tasks.values().cloned().collect(),
            attempts: self.attempts.clone(),
            session_ends: self.session_ends.clone(),
            ..Loaded::default()
        };
        for task in self.tasks.values() {
            if self.sees.as_ref().is_none_or(|seen| seen.contains(&task.id)) {
                let waiting = self.edges.iter().filter(|edge| edge.depends_on == task.id);
                loaded.dependents.insert(task.id, waiting.map(|edge| edge.task).collect());
            }
            if let (Some(_), Some(concurrency)) = (task.lease(), &task.terms.concurrency) {
                *loaded.running.entry(concurrency.key.clone()).or_default() += 1;
            }
        }
        loaded
    }

    fn save(&mut self, changes: Changes, locked: &crate::locks::changes::Changes) {
        self.last_token = locked.last_token.unwrap_or(self.last_token);
        self.leases.extend(locked.leases_put.iter().map(|lease| (lease.token, lease.clone())));
        for ended in &locked.leases_ended {
            self.leases.remove(&ended.lease.token);
        }
        for new in &changes.new {
            let before = self.tasks.insert(new.task.id, new.task.clone());
            assert!(before.is_none(), "a new task has a new id");
            self.edges.extend(new.depends_on.iter().map(|on| Edge { task: new.task.id, depends_on: *on }));
        }
        for changed in &changes.changed {
            let before = self.tasks.insert(changed.after.id, changed.after.clone());
            assert_eq!(before.as_ref(), Some(&changed.before), "it is saved in place of what was loaded");
            assert_eq!(changed.before.terms, changed.after.terms, "the terms never change");
            if let (Some(lease), previous) = (changed.after.lease(), changed.before.lease())
                && previous.is_none_or(|previous| previous.token != lease.token)
            {
                let of_task =
                    self.attempts.iter().chain(&changes.attempts).filter(|past| past.task == changed.after.id);
                let greatest = of_task.map(|past| past.token).max();
                assert!(greatest.is_none_or(|greatest| greatest < lease.token), "tokens rise");
                let goes_on = previous.is_some_and(|previous| is_handed_over(&changes.attempts, previous.token));
                let expected = changed.before.attempts_made + u32::from(!goes_on);
                assert!(lease.attempt >= expected, "attempts rise, but for one that is handed over");
                assert!(!goes_on || changed.after.attempts_made == expected, "handing over costs no attempt");
            }
        }
        self.attempts.extend(changes.attempts.iter().cloned());
        self.changes = changes;
    }

    /// What must hold at every committed state.
    fn look_around(&self) {
        let mut tokens: BTreeSet<Token> = BTreeSet::new();
        for task in self.tasks.values() {
            assert!(task.attempts_made <= task.attempts_allowed, "nothing is tried more often than it may be");
            assert!(!task.untold || task.status().is_ended(), "only what has ended has something to tell");
            if let Some(lease) = task.lease() {
                assert!(tokens.insert(lease.token), "one token, one claim");
                assert!(lease.until > self.now, "what has run out was taken back");
                assert!(task.deadline.is_none_or(|deadline| lease.until <= deadline));
            }
            self.look_at_dependencies(task);
        }
        for attempt in &self.attempts {
            assert!(tokens.insert(attempt.token), "one token, one attempt");
        }
        let held: Vec<&Lease> = self.leases.values().collect();
        for (at, one) in held.iter().enumerate() {
            for other in &held[at + 1..] {
                let agree = one.mode.agrees_with(other.mode) || !one.key.overlaps(&other.key);
                assert!(agree, "{} and {} do not agree", one.key, other.key);
            }
        }
    }

    fn look_at_dependencies(&self, task: &Task) {
        let policy = task.terms.on_dependency_failure;
        let is_open = |edge: &&Edge| {
            let other = &self.tasks[&edge.depends_on];
            let is_over = other.status().is_ended() && !other.untold;
            !(is_over && (other.status() == Status::Succeeded || policy == OnDependencyFailure::Run))
        };
        let open = self.edges.iter().filter(|edge| edge.task == task.id).filter(is_open).count();
        match &task.state {
            TaskState::Blocked { pending } => assert_eq!(*pending as usize, open, "{:?}", task.id),
            // What runs in spite of a dead letter does not stop when that is tried again.
            _ if policy == OnDependencyFailure::Run => {}
            TaskState::Ready { .. }
            | TaskState::Scheduled { .. }
            | TaskState::Leased(_)
            | TaskState::Succeeded { .. }
            | TaskState::Dead { .. } => assert_eq!(open, 0, "nobody comes before those it waits for"),
            TaskState::Cancelled { .. } | TaskState::Expired { .. } => {}
        }
    }

    pub(super) fn pass(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
    }

    pub(super) fn id(&self, name: &str) -> TaskId {
        self.names[name]
    }

    pub(super) fn name(&self, id: TaskId) -> String {
        self.names.iter().find(|(_, known)| **known == id).unwrap().0.clone()
    }

    pub(super) fn task(&self, name: &str) -> &Task {
        &self.tasks[&self.id(name)]
    }

    pub(super) fn status(&self, name: &str) -> Status {
        self.task(name).status()
    }

    /// Submits tasks; what names something submitted before depends on that, else on one of the call.
    pub(super) fn try_submit(
        &mut self,
        items: &[Item],
        together: Together,
    ) -> Result<Vec<Result<Task, SubmissionFault>>, WorkRefusal> {
        let local = |name: &str| crate::work::name::LocalName::parse(name).unwrap();
        let known = self.names.clone();
        let other = |name: &String| match known.get(name) {
            Some(id) => TaskRef::Known(*id),
            None => TaskRef::Local(local(name)),
        };
        let mut submissions = Vec::new();
        for item in items {
            self.ids += 1;
            let id = TaskId::new(Uuid::from_u128(self.ids));
            submissions.push(Submission {
                id,
                name: Some(local(&item.name)),
                draft: item.draft.clone(),
                depends_on: Dependencies::try_new(item.after.iter().map(other).collect()).unwrap(),
                parent: item.parent.as_ref().map(other),
            });
            self.names.insert(item.name.clone(), id);
        }
        let submit = Submit::try_new(AgentId::parse("boss").unwrap(), submissions, together).unwrap();
        self.run(|table, _| table.submit(&submit))
    }

    pub(super) fn submit(&mut self, items: &[Item]) {
        self.try_submit(items, Together::AllOrNothing).unwrap();
    }

    pub(super) fn claim_as(&mut self, claim: &Claim) -> Claimed {
        self.run(|table, locks| table.claim(locks, claim)).unwrap()
    }

    /// Claims, and answers the names of what was had.
    pub(super) fn claim(&mut self, who: &str, tasks: u32) -> Vec<String> {
        let claimed = self.claim_as(&claim(who, tasks));
        claimed.tasks.iter().map(|claimed| self.name(claimed.task.id)).collect()
    }

    /// The claim a task is under.
    pub(super) fn held(&self, name: &str) -> ClaimRef {
        let lease = self.task(name).lease().unwrap();
        ClaimRef { task: self.id(name), token: lease.token, holder: lease.holder.clone() }
    }

    pub(super) fn complete(&mut self, claim: &ClaimRef) -> Result<Finished, WorkRefusal> {
        self.run(|table, locks| table.complete(locks, claim, None))
    }

    /// Fails with a rest of about `share` of 256 parts of the longest.
    pub(super) fn fail(&mut self, claim: &ClaimRef, retryable: bool, share: u8) -> Result<Finished, WorkRefusal> {
        let chance = Chance(u64::from(share) << 56);
        let error = Fault::parse("it broke").unwrap();
        self.run(|table, locks| table.fail(locks, claim, error, retryable, chance))
    }

    /// Claims everything there is and lets what is named succeed; nothing else may have been there.
    pub(super) fn work_off(&mut self, names: &str) {
        let got = self.claim("worker/1", 50);
        assert_eq!(got, names.split_whitespace().collect::<Vec<_>>());
        for name in got {
            let held = self.held(&name);
            self.complete(&held).unwrap();
        }
    }

    /// Lets a ready task die.
    pub(super) fn kill(&mut self, name: &str) {
        while self.status(name) != Status::Dead {
            let others: BTreeSet<TaskId> = self.tasks.keys().copied().filter(|id| *id != self.id(name)).collect();
            let got = self.claim_as(&Claim { withheld: others, ..claim("killer/1", 1) });
            assert_eq!(got.tasks.len(), 1, "{name} can be claimed");
            let held = self.held(name);
            self.fail(&held, false, 0).unwrap();
        }
    }

    pub(super) fn cancel(&mut self, name: &str, with_dependents: bool) -> Result<CancelOutcome, WorkRefusal> {
        let cancel = Cancel { by: AgentId::parse("boss").unwrap(), reason: None, with_dependents };
        let id = self.id(name);
        self.run(|table, _| table.cancel(id, cancel))
    }
}

fn is_handed_over(attempts: &[Attempt], token: Token) -> bool {
    let of_token = attempts.iter().find(|attempt| attempt.token == token);
    of_token.is_some_and(|attempt| matches!(attempt.end, AttemptEnd::HandedOver { .. }))
}

pub(super) fn ttl() -> Ttl {
    Ttl::try_new(60).unwrap()
}
