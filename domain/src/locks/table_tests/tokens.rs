//! Fencing tokens only ever grow.

use super::board::*;
use crate::locks::lease::Token;
use crate::locks::refusal::LockRefusal;
use crate::locks::wants::Wants;

#[test]
fn tokens_of_a_key_increase_over_release_expiry_and_force() {
    let mut board = board();
    let mut seen = vec![board.hold("ann/1", "a").token];
    board.release("ann/1", &[seen[0]]).unwrap();
    let next = board.hold("bob/1", "a");
    seen.push(next.token);
    board.now = next.expires_at;
    seen.push(board.hold("cat/1", "a").token);
    board.force(seen[2]).unwrap();
    seen.push(board.hold("dan/1", "a").token);
    board.end_session("dan/1");
    seen.push(board.hold("dan/2", "a").token);
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
}

#[test]
fn places_in_line_and_tokens_come_from_one_counter() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    let place = board.stand("bob/1", "a");
    assert_eq!(board.waiters[&place.ticket].place, lease.token.value() + 1);
    assert_eq!(board.hold("cat/1", "c").token.value(), lease.token.value() + 2);
}

#[test]
fn a_renewal_and_a_refusal_draw_no_token() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.renew("ann/1", lease.token, 60).unwrap();
    assert_eq!(board.changes.last_token, None);
    board.hold("ann/1", "a");
    assert_eq!(board.changes.last_token, None);
    board.take("bob/1", "a").unwrap_err();
    assert_eq!(board.changes.last_token, None);
}

#[test]
fn after_a_raised_epoch_tokens_go_on_above_its_base() {
    let mut board = board();
    let before = board.hold("ann/1", "a");
    board.last_token = Token::base_of_epoch(1);
    board.force(before.token).unwrap();
    let after = board.hold("bob/1", "a");
    assert_eq!(after.token.value(), (1 << 40) + 1);
}

#[test]
fn when_tokens_are_used_up_nothing_is_granted_and_renewal_still_works() {
    let mut board = board();
    let lease = board.hold("ann/1", "a");
    board.last_token = Token::MAX - i64::try_from(Wants::KEYS_MAX).unwrap();
    assert_eq!(board.take("bob/1", "b"), Err(LockRefusal::TokensUsedUp));
    assert!(board.renew("ann/1", lease.token, 60).is_ok());
    assert!(board.release("ann/1", &[lease.token]).is_ok());
    board.last_token -= 1;
    assert!(board.take("bob/1", "b").is_ok());
}

#[test]
fn a_place_in_line_needs_a_number_too() {
    let mut board = board();
    board.hold("ann/1", "a");
    board.last_token = Token::MAX;
    assert_eq!(board.wait("bob/1", "a"), Err(LockRefusal::TokensUsedUp));
    assert!(board.waiters.is_empty());
}

#[test]
fn a_token_fits_into_53_bits_and_is_positive() {
    assert_eq!(Token::MAX, 9_007_199_254_740_991);
    assert!(Token::try_new(0).is_err());
    assert!(Token::try_new(Token::MAX).is_ok());
    assert!(Token::try_new(Token::MAX + 1).is_err());
    assert!(Token::base_of_epoch(Token::EPOCH_MAX) < Token::MAX);
    assert!(Token::base_of_epoch(Token::EPOCH_MAX + 1) > Token::MAX);
}
