//! Handing locks over.

use super::board::*;
use crate::handoffs::{Passage, Stays};
use crate::ids::{AgentType, HandoffId};
use crate::locks::event::LockEvent;
use crate::locks::lease::{Ending, Lease, Mode, Token};
use crate::locks::refusal::LockRefusal;
use crate::work::requires::{Claimant, Trust};
use chrono::TimeDelta;
use std::collections::BTreeSet;
use uuid::Uuid;

const HANDOFF: HandoffId = HandoffId::new(Uuid::from_u128(7));

impl Board {
    /// Hands over what can go, else tells why it stays.
    fn hand(&mut self, token: Token, from: &str, to: &str) -> Result<Lease, Stays> {
        let passage = passage(from, to, &[token]);
        self.run(|table| match table.handable(token, &passage).map(drop) {
            Ok(()) => Ok(table.hand_over(token, ttl(TTL_SECONDS), &passage).unwrap().unwrap()),
            Err(stays) => {
                assert_eq!(table.hand_over(token, ttl(TTL_SECONDS), &passage), Ok(None));
                Err(stays)
            }
        })
    }
}

fn passage(from: &str, to: &str, leaving: &[Token]) -> Passage {
    let to = Claimant {
        holder: holder(to),
        agent_type: AgentType::parse("worker").unwrap(),
        capabilities: BTreeSet::new(),
        environment: None,
        trust: Trust::STANDARD,
    };
    Passage { handoff: HANDOFF, from: holder(from).session, to, leaving: leaving.iter().copied().collect() }
}

#[test]
fn the_taker_has_it_under_a_greater_token_and_the_giver_is_told_so() {
    let mut board = board();
    let given = board.hold("ann/1", "~a");
    board.pass(40);
    let taken = board.hand(given.token, "ann/1", "bob/1").unwrap();
    assert!(taken.token > given.token);
    assert_eq!((&taken.key, taken.mode, &taken.holder), (&given.key, Mode::Shared, &holder("bob/1")));
    assert_eq!(taken.expires_at, board.now + TimeDelta::seconds(60), "it lasts for a whole TTL from now");
    assert_eq!(board.leases.len(), 1);
    for late in [board.renew("ann/1", given.token, 60).map(drop), board.release("ann/1", &[given.token]).map(drop)] {
        let Err(LockRefusal::Stale { stale }) = late else { panic!("not stale: {late:?}") };
        assert_eq!(stale[0].ended.ending, Ending::HandedOver { to: agent("bob"), handoff: HANDOFF });
        assert_eq!(stale[0].holders_now, std::slice::from_ref(&taken), "who holds it now is told");
    }
    assert!(board.renew("bob/1", taken.token, 60).is_ok());
    assert!(board.release("bob/1", &[taken.token]).is_ok());
}

#[test]
fn it_is_told_once_and_in_one_step() {
    let mut board = board();
    let given = board.hold("ann/1", "a");
    let taken = board.hand(given.token, "ann/1", "bob/1").unwrap();
    let [LockEvent::HandedOver { ended, lease }] = &board.changes.events[..] else { panic!("{:?}", board.changes) };
    assert_eq!((&ended.lease, lease), (&given, &taken));
    assert_eq!(board.changes.events[0].kind(), "lock.handed_over");
    assert_eq!(board.changes.events[0].operation(), "lock.hand_over");
    assert_eq!(board.changes.leases_ended.len(), 1);
    assert_eq!(board.changes.leases_put, [taken]);
}

#[test]
fn whoever_waits_waits_on_and_the_line_keeps_its_order() {
    let mut board = board();
    let given = board.hold("ann/1", "a");
    let first = board.stand("cat/1", "a");
    let second = board.stand("dan/1", "a");
    let taken = board.hand(given.token, "ann/1", "bob/1").unwrap();
    for (who, place) in [("cat/1", &first), ("dan/1", &second)] {
        let still = in_line(board.retry(who, "a", place.ticket).unwrap());
        assert_eq!(still, *place, "{who}");
    }
    board.release("bob/1", &[taken.token]).unwrap();
    in_line(board.retry("dan/1", "a", second.ticket).unwrap());
    granted(board.retry("cat/1", "a", first.ticket).unwrap());
}

#[test]
fn it_never_gets_shorter() {
    let mut board = board();
    let given = board.hold("ann/1", "a");
    let given = board.renew("ann/1", given.token, 600).unwrap();
    assert_eq!(board.hand(given.token, "ann/1", "bob/1").unwrap().expires_at, given.expires_at);
}

#[test]
fn what_the_giver_does_not_hold_stays_where_it_is() {
    let mut board = board();
    let (released, bobs) = (board.hold("ann/1", "a"), board.hold("bob/1", "b"));
    board.release("ann/1", &[released.token]).unwrap();
    assert_eq!(board.hand(released.token, "ann/1", "cat/1"), Err(Stays::Ended));
    let with_bob = Stays::WithOther { holder: holder("bob/1") };
    assert_eq!(board.hand(bobs.token, "ann/1", "cat/1"), Err(with_bob));
    assert_eq!(board.hand(Token::try_new(99).unwrap(), "ann/1", "cat/1"), Err(Stays::Unknown));
    assert_eq!(board.changes, crate::locks::changes::Changes::default());
    let short = board.hold("ann/1", "c");
    board.pass(60);
    assert_eq!(board.hand(short.token, "ann/1", "cat/1"), Err(Stays::Ended), "its time is over");
}

#[test]
fn nobody_holds_one_key_twice() {
    let mut board = board();
    let (anns, bobs) = (board.hold("ann/1", "~a"), board.hold("bob/1", "~a"));
    let stays = Stays::TakerHolds { key: key("a"), token: bobs.token };
    assert_eq!(board.hand(anns.token, "ann/1", "bob/1"), Err(stays));
    assert_eq!(board.leases[&anns.token], anns);
}

#[test]
fn what_only_one_session_may_hold_together_goes_together_or_not_at_all() {
    let mut board = board();
    let (tree, file) = (board.hold("ann/1", "a/**"), board.hold("ann/1", "a/b"));
    let tied = |lease: &Lease| Err(Stays::Tied { key: lease.key.clone(), token: lease.token });
    assert_eq!(board.hand(file.token, "ann/1", "bob/1"), tied(&tree));
    assert_eq!(board.hand(tree.token, "ann/1", "bob/1"), tied(&file));
    let both = passage("ann/1", "bob/1", &[tree.token, file.token]);
    board.run(|table| {
        for token in [tree.token, file.token] {
            assert!(table.hand_over(token, ttl(TTL_SECONDS), &both).unwrap().is_some());
        }
    });
    assert!(board.leases.values().all(|lease| lease.holder == holder("bob/1")));
    let (reads, more) = (board.hold("cat/1", "~c/**"), board.hold("cat/1", "~c/d"));
    assert!(board.hand(more.token, "cat/1", "dan/1").is_ok(), "two that agree can part");
    assert_eq!(board.leases[&reads.token].holder, holder("cat/1"));
}

#[test]
fn a_circle_that_it_closes_is_found_by_those_in_it() {
    let mut board = board();
    let given = board.hold("ann/1", "a");
    board.hold("cat/1", "c");
    let bobs = board.stand("bob/1", "c");
    let cats = board.stand("cat/1", "a");
    board.hand(given.token, "ann/1", "bob/1").unwrap();
    assert_eq!(board.changes.freed(), [key("a")], "whoever waits for it looks again");
    assert_eq!(circle(board.retry("cat/1", "a", cats.ticket)), ["cat/1 > a > bob/1", "bob/1 > c > cat/1"]);
    board.run(|table| table.release_session(&holder("cat/1").session, &Ending::Released));
    granted(board.retry("bob/1", "c", bobs.ticket).unwrap());
}

#[test]
fn tokens_that_cannot_be_drawn_are_told_before_anything_goes_over() {
    let mut board = board();
    board.last_token = Token::MAX - 2;
    board.run(|table| {
        assert_eq!(table.has_room_for(2), Ok(()));
        assert_eq!(table.has_room_for(3), Err(LockRefusal::TokensUsedUp));
    });
}
