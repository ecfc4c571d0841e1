//! The accounts of influencers: what is pending, approved, in payout and paid, and what a close pays.
//!
//! Balance = approved − paid, over all time, for each merchant, influencer and currency. A period is
//! a view of it, never the truth: [`period::movement`] is the difference of two balances. Live
//! figures, API, pages, statements and exports all ask here, so they never differ.
//!
//! Pure: no I/O, no clock, no randomness. Entries come from `bookings`, steps of payouts from the
//! catalog. Every result depends on the set of them, not on their order, so two nodes that know the
//! same compute the same.

pub mod account;
pub mod balance;
pub mod books;
pub mod close;
pub mod entry;
pub mod period;
pub mod refusal;
pub mod share;

pub use account::{Account, TooLarge};
pub use balance::{Balance, Ledger};
pub use books::{Books, LineState, Payout};
pub use entry::{AsOf, Entry, HeldTime, Standing};
