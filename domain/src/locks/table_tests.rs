//! Rules of the lock table, one by one.
