//! Finding candidates and putting them in order.

use crate::memory::recall::meaning::Meaning;
use crate::memory::recall::{Mode, RecallRequest, RecallSettings, Way};
use domain::ids::MemoryId;
use domain::memory::candidate::{Candidate, Statistics};
use domain::memory::filter::MemoryFilter;
use domain::memory::plan::{Question, StatisticsByRealm};
use domain::memory::rank::{Asked, Ranked, WINDOW_REACH, look_around, rank};
use domain::memory::realm::Realm;
use domain::memory::record::Place;
use ports::store::{StoreError, UnitOfWork};
use std::collections::BTreeMap;

/// What was found, in order.
pub(super) struct Found {
    /// In order, the best first.
    pub(super) ranked: Vec<Ranked>,
    /// What was found for itself.
    pub(super) candidates: BTreeMap<MemoryId, Candidate>,
    /// What stands around some of it.
    pub(super) around: BTreeMap<MemoryId, Candidate>,
    /// The words of the question, and in how many memories each stands.
    pub(super) words: Vec<(String, u64)>,
    /// By what it was found.
    pub(super) mode: Mode,
}

/// Finds candidates of what a filter shows, looks around the best of them, and puts all in order.
pub(super) async fn find(
    uow: &mut dyn UnitOfWork,
    settings: &RecallSettings,
    request: &RecallRequest,
    filter: &MemoryFilter,
    meaning: &Meaning,
) -> Result<Found, StoreError> {
    let text = match (request.way, meaning) {
        (Way::Vector, Meaning::Known { .. }) => "",
        _ => request.query.as_deref().unwrap_or_default(),
    };
    let question = Question::new(text, &filter.realms);
    let mut statistics = StatisticsByRealm::new();
    for realm in &filter.realms {
        statistics.insert(realm.clone(), uow.memory_statistics(realm, question.terms(realm)).await?);
    }
    let mut candidates: BTreeMap<MemoryId, Candidate> = BTreeMap::new();
    let mut cosines = BTreeMap::new();
    for wanted in question.plan(&statistics, settings.candidates_max) {
        let found = uow.memory_candidates(filter, &wanted).await?;
        candidates.extend(found.into_iter().map(|candidate| (candidate.id, candidate)));
    }
    if let Meaning::Known { space, vector } = meaning {
        for (candidate, cosine) in uow.memory_nearest(filter, space, vector, settings.candidates_max).await? {
            cosines.insert(candidate.id, cosine);
            candidates.insert(candidate.id, candidate);
        }
    }
    let mode = match (question.words().is_empty(), meaning) {
        (true, Meaning::Known { .. }) => Mode::Vector,
        (true, _) => Mode::Latest,
        (false, Meaning::Known { .. }) => Mode::Hybrid,
        (false, _) => Mode::Lexical,
    };
    if mode == Mode::Latest {
        let latest = uow.memory_latest(filter, settings.candidates_max).await?;
        candidates.extend(latest.into_iter().map(|candidate| (candidate.id, candidate)));
    }
    let found: Vec<Candidate> = candidates.values().cloned().collect();
    let asked = Asked {
        question: &question,
        statistics: &statistics,
        cosines: &cosines,
        weights: &settings.weights,
        now: filter.as_of,
    };
    let around = if mode == Mode::Latest { Vec::new() } else { neighbours(uow, filter, &asked, &found).await? };
    let mut all_cosines = cosines.clone();
    if let Meaning::Known { space, vector } = meaning {
        let all = found.iter().chain(&around).map(|candidate| candidate.id);
        let unknown: Vec<MemoryId> = all.filter(|id| !cosines.contains_key(id)).collect();
        all_cosines.extend(uow.memory_cosines(&filter.realms, space, vector, &unknown).await?);
    }
    let ranked = rank(&Asked { cosines: &all_cosines, ..asked }, &found, &around);
    let words = question.words().iter().enumerate().map(|(at, word)| {
        let in_realm = |(realm, counted): (&Realm, &Statistics)| {
            question.terms(realm).get(at).and_then(|term| counted.frequencies.get(term)).copied().unwrap_or(0)
        };
        (word.clone(), statistics.iter().map(in_realm).sum())
    });
    Ok(Found {
        words: words.collect(),
        ranked,
        candidates,
        around: around.into_iter().map(|candidate| (candidate.id, candidate)).collect(),
        mode,
    })
}

/// What stands around the best of what was found.
async fn neighbours(
    uow: &mut dyn UnitOfWork,
    filter: &MemoryFilter,
    asked: &Asked<'_>,
    found: &[Candidate],
) -> Result<Vec<Candidate>, StoreError> {
    let mut places: BTreeMap<&Realm, Vec<Place>> = BTreeMap::new();
    for candidate in look_around(asked, found) {
        places.entry(&candidate.realm).or_default().push(candidate.place.clone());
    }
    let mut around = Vec::new();
    for (realm, places) in places {
        around.extend(uow.memory_neighbours(realm, filter.as_of, &places, WINDOW_REACH).await?);
    }
    Ok(around)
}
