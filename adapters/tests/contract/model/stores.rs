//! The three stores of a model-based test.

use crate::harness::{Kind, Place, TestStore, runtime};
use crate::samples::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::ProjectId;
use proptest::test_runner::Config;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// The three stores, which live through all sequences: each sequence has a project of its own.
pub(super) struct Stores {
    runtime: Runtime,
    places: Vec<Arc<Place>>,
    open: RefCell<Vec<TestStore>>,
    sequences: RefCell<u32>,
}

thread_local! {
    /// Where the state machine finds the stores: its trait hands nothing in.
    pub(super) static STORES: RefCell<Option<Rc<Stores>>> = const { RefCell::new(None) };
}

impl Stores {
    pub(super) fn open() -> Self {
        let runtime = runtime();
        let kinds = [Kind::InMemory, Kind::Sqlite, Kind::Postgres, Kind::Optimistic];
        let places: Vec<Arc<Place>> =
            kinds.into_iter().map(|kind| Arc::new(runtime.block_on(Place::make(kind)))).collect();
        let open = |place: &Arc<Place>| runtime.block_on(TestStore::open(Arc::clone(place)));
        let open = RefCell::new(places.iter().map(open).collect());
        Self { runtime, places, open, sequences: RefCell::new(0) }
    }

    pub(super) fn give_back(&self) {
        for place in &self.places {
            self.runtime.block_on(place.give_back());
        }
    }

    pub(super) fn fresh_project(&self) -> ProjectId {
        let mut sequences = self.sequences.borrow_mut();
        *sequences += 1;
        let name = format!("sequence-{sequences}");
        for store in self.open.borrow().iter() {
            self.runtime.block_on(add_project(store, &name));
        }
        project_id(&name)
    }

    /// Asks every store and answers what all of them said.
    pub(super) fn ask<T: PartialEq + std::fmt::Debug>(&self, question: &impl AsyncFn(&TestStore) -> T) -> T {
        let stores = self.open.borrow();
        let mut answers = stores.iter().map(|store| (store.kind(), self.runtime.block_on(question(store))));
        let (_, yardstick) = answers.next().unwrap();
        for (kind, answer) in answers {
            assert_eq!(answer, yardstick, "{kind:?} differs from the store in memory");
        }
        yardstick
    }

    pub(super) fn reopen(&self) {
        let stores = std::mem::take(&mut *self.open.borrow_mut());
        let reopened = stores.into_iter().map(|store| self.runtime.block_on(store.reopen())).collect();
        *self.open.borrow_mut() = reopened;
    }

    pub(super) fn pass(&self, time: TimeDelta) {
        self.open.borrow().iter().for_each(|store| store.pass(time));
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.open.borrow()[0].now()
    }

    pub(super) fn epoch(&self) -> i64 {
        self.ask(&async |store| store.begin_read().await.epoch().await.unwrap())
    }

    pub(super) fn raise_epoch(&self) -> i64 {
        self.ask(&async |store| {
            let mut uow = store.begin().await;
            let epoch = uow.epoch().await.unwrap() + 1;
            uow.epoch_raise(epoch).await.unwrap();
            uow.commit().await.unwrap();
            epoch
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "proptest itself reads this variable; nightly runs set it")]
pub(super) fn config(cases: u32) -> Config {
    let given = std::env::var("PROPTEST_CASES").is_ok();
    let standard = Config { failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    if given { standard } else { Config { cases, ..standard } }
}
