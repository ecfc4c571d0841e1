//! Who earned what: which click or coupon an order belongs to, what is booked for it and when, and
//! what is held.
//!
//! Pure, like `shared`, whose facts it reads: the edge, the batch and a later audit reach the same
//! decision from the same facts, byte for byte. It records nothing and pays nobody.

mod arrival;
pub mod attribution;
pub mod customers;
pub mod held;
pub mod history;
pub mod leads;
pub mod ledger;
pub mod own_mailbox;
