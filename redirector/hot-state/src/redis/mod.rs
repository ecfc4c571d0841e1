//! Redis as the hot state: one server or a cluster, shared by nodes and by tools that want to look
//! at it.
//!
//! Keys lie in 64 buckets, each one slot of a cluster by its tag, `{00}` to `{3f}`:
//!
//! | key | type | holds |
//! |---|---|---|
//! | `ac:{2f}w<click id>` | string, expires | a window: link, time, length, the click before it |
//! | `ac:{2f}e<generation><event id>` | string, expires | the record that brought the event first |
//! | `ac:{2f}n<merchant, name>` | hash | what stands under an order's name |
//! | `ac:{2f}k` | set | the names that have such a hash |
//! | `ac:{2f}t` | hash | name → what its order counts for |
//! | `ac:{2f}c<stream>` | hash | counter → how many, and `@`: up to which record |
//! | `ac:{2f}p` | hash | stream → up to which record this bucket has all; `~` and node → its last mark |
//! | `ac:{00}u` | hash | reports that nobody could read |
//! | `ac:{00}x` | hash | the catalog's changes by their hash, from node to node |
//! | `ac:{00}g` | string | the generation: another one each time that all is built anew |
//!
//! A part may lose what it was given: emptied, started without its data, or failed over to a
//! replica that lags. Writes reach a replica in order, so what a bucket says in `p` it has: after
//! each write a node leaves a new mark there. Every second each bucket is asked whether it still
//! says what it said last (`Redis::sweep`); where it does not, the projector goes back to what
//! the slowest bucket has.
//!
//! Commands may be sent twice. The redirect path never comes here.

mod buckets;
mod changes;
mod check;
mod client;
mod connection;
mod keys;
mod store;
mod watch;

pub(crate) use check::WrongSetting;
pub use client::Redis;
pub(crate) use watch::Lost;
