//! Handoffs to store.

use crate::harness::{TestStore, default_project, start};
use crate::samples::*;
use crate::work::samples::{MICRO, second};
use domain::handoffs::content::{Content, FileName, Item, Link, LinkKind, Lists, Summary};
use domain::handoffs::{Giver, Handoff, Moved, MovedLock, MovedTask, Named, NotMoved, Offer, State, Stays, ToMove};
use domain::ids::{HandoffId, ProjectId, TaskId};
use domain::locks::lease::{Holder, Mode};
use domain::work::name::Capability;
use domain::work::requires::Lack;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub(crate) fn id(number: u128) -> HandoffId {
    HandoffId::new(Uuid::from_u128(number))
}

fn task_id(number: u128) -> TaskId {
    TaskId::new(Uuid::from_u128(number))
}

pub(crate) fn bob() -> Holder {
    Holder { agent: agent("bob"), session: session_id("bob-1") }
}

pub(crate) fn summary(text: &str) -> Summary {
    Summary::parse(text).unwrap()
}

pub(crate) fn can(name: &str) -> Capability {
    Capability::parse(name).unwrap()
}

/// What Ann wrote at the start and offers for a minute to whoever comes next.
pub(crate) fn handoff(number: u128) -> Handoff {
    Handoff {
        id: id(number),
        from: Giver { agent: agent("ann"), session: Some(session_id("ann-1")) },
        summary: summary("half of it is done"),
        offer: Offer::Next,
        to_move: ToMove::default(),
        written_at: start(),
        expires_at: Some(second(60)),
        state: State::Offered,
        revision: 1,
    }
}

pub(crate) fn full_handoff(number: u128) -> Handoff {
    Handoff {
        from: Giver { agent: agent("ann"), session: None },
        summary: summary("ключ \"'\\ 🔑\n\tsecond line"),
        offer: Offer::Capability { capability: can("rust") },
        to_move: ToMove {
            locks: BTreeSet::from([token(7), token(9_007_199_254_740_991)]),
            tasks: BTreeMap::from([(task_id(1), token(8))]),
        },
        written_at: second(3) + MICRO,
        expires_at: Some(second(9) + MICRO),
        revision: u64::from(u32::MAX) + 7,
        ..handoff(number)
    }
}

pub(crate) fn every_state() -> Vec<State> {
    let lock = |from, to| MovedLock {
        key: key("src/**"),
        mode: Mode::Shared,
        from: token(from),
        token: token(to),
        until: second(20) + MICRO,
    };
    let not = |token_of, stays| NotMoved { named: Named::Lock { token: token(token_of) }, stays };
    let task = MovedTask {
        task: task_id(1),
        attempt: 3,
        from: token(8),
        token: token(12),
        until: second(20),
        locks: vec![lock(9, 13)],
    };
    let moved = Moved {
        locks: vec![lock(7, 11)],
        tasks: vec![task],
        not_moved: vec![
            not(1, Stays::Unknown),
            not(2, Stays::Ended),
            not(3, Stays::WithOther { holder: bob() }),
            not(4, Stays::OfTask { task: task_id(4) }),
            not(5, Stays::TakerHolds { key: key("a"), token: token(6) }),
            NotMoved {
                named: Named::Task { task: task_id(2), token: token(6) },
                stays: Stays::TakerLacks { lacks: vec![Lack::Capability(can("gpu")), Lack::SubmittedIt] },
            },
        ],
    };
    vec![
        State::Offered,
        State::Accepted { by: bob(), at: second(4) + MICRO, moved },
        State::Declined { by: agent("bob"), at: second(4), reason: Some(reason("so 🔑")) },
        State::Declined { by: agent("bob"), at: second(4), reason: None },
        State::Expired { at: second(9) + MICRO },
        State::Withdrawn { at: second(4), reason: None },
        State::Written,
    ]
}

pub(crate) fn full_content() -> Content {
    let item = |text: &str| Item::parse(text).unwrap();
    Content::try_new(Lists {
        completed: vec![item("the Lexer"), item("ключ \"'\\ 🔑\n100%_")],
        in_progress: vec![item("the parser")],
        decisions: vec![item("no regular expressions")],
        next_steps: vec![item("measure it")],
        files: BTreeSet::from(["src/lexer.rs", "/etc/hosts", "src/ключ.rs"].map(|file| FileName::parse(file).unwrap())),
        links: vec![
            Link::parse(LinkKind::Url, "https://example.org/?a=b&c='d'").unwrap(),
            Link::parse(LinkKind::Commit, "0123abcd").unwrap(),
        ],
    })
    .unwrap()
}

pub(crate) async fn add_to(store: &TestStore, project: &ProjectId, handoffs: &[(Handoff, Content)]) {
    let mut uow = store.begin().await;
    for (handoff, content) in handoffs {
        uow.handoff_add(project, handoff, content).await.unwrap();
    }
    uow.commit().await.unwrap();
}

pub(crate) async fn add(store: &TestStore, handoffs: &[(Handoff, Content)]) {
    add_to(store, &default_project(), handoffs).await;
}

pub(crate) async fn save_one(store: &TestStore, handoff: &Handoff) {
    let mut uow = store.begin().await;
    uow.handoff_save(&default_project(), handoff).await.unwrap();
    uow.commit().await.unwrap();
}

pub(crate) async fn load(store: &TestStore, numbers: &[u128]) -> Vec<Handoff> {
    let ids: Vec<HandoffId> = numbers.iter().copied().map(id).collect();
    store.begin_read().await.handoffs_load(&default_project(), &ids).await.unwrap()
}
