//! What holds for those who only look.

use crate::desk::{Desk, call};
use domain::ids::SessionId;
use domain::locks::key::LockKey;
use domain::locks::lease::Mode;
use domain::locks::wants::{Want, Wants};
use pointsman::call::Call;
use pointsman::locks::commands::Release;
use pointsman::locks::queries::LockQueries;
use std::collections::BTreeSet;
use std::time::Duration;

fn in_session(agent: &str, session: Option<&str>) -> Call {
    Call { session: session.map(|session| SessionId::parse(session).unwrap()), ..call(agent) }
}

#[tokio::test]
async fn who_has_no_session_yet_is_told_of_everything_in_the_way() {
    let desk = Desk::new();
    let queries = LockQueries::new(desk.executor.clone());
    let wants = Wants::try_new(vec![Want { key: LockKey::parse("x").unwrap(), mode: Mode::Exclusive }]).unwrap();
    for name in ["/", "-", "ses_0"] {
        let holder = in_session("a", Some(name));
        let leases = desk.acquire(&holder, &["x"], Duration::ZERO).await.unwrap();
        let (conflicts, _) = queries.check(&in_session("b", None), &wants).await.unwrap();
        assert_eq!(conflicts.len(), 1, "held in session {name}");
        let (conflicts, _) = queries.check(&holder, &wants).await.unwrap();
        assert!(conflicts.is_empty(), "its own");
        let command = Release { tokens: BTreeSet::from([leases[0].token]) };
        desk.executor.execute_hot(&holder, command).await.unwrap();
    }
}
