//! Redis as the hot state: one server or a cluster, shared by nodes. Other tools may read it too.
//!
//! Keys lie in 64 buckets. A bucket is one slot of a cluster by its tag, `{00}` to `{3f}`:
//!
//! | key | type | holds |
//! |---|---|---|
//! | `ac:{2f}w<click id>` | string, expires | a window: link, time, length, the click before it |
//! | `ac:{2f}e<generation><event id>` | string, expires | the record that brought the event first |
//! | `ac:{2f}n<merchant, name>` | hash | what stands under an order's name, or under a customer's hash, sealed |
//! | `ac:{2f}k` | set | the names that have an `n` hash |
//! | `ac:{2f}a` | hash | name → what its order counts for; earlier it was `t` |
//! | `ac:{2f}o` | hash | name → its order as lists show it, sealed |
//! | `ac:{2f}i` | sorted set | list, part of it, time, name: which orders a list has |
//! | `ac:{2f}f<stream>` | hash | counter → how many, and `@`: up to which record; earlier it was `c`, then `d` |
//! | `ac:{2f}p` | hash | stream → last record that this bucket has, and the layout by which it was projected; `~` and node → its last mark |
//! | `ac:{00}u` | hash | unparsed deliveries |
//! | `ac:{00}x` | hash | the catalog's changes by their hash, for other nodes |
//! | `ac:{00}g` | string | the generation: a new one each time that everything is rebuilt |
//!
//! A part may lose its data: it is emptied, started without its data, or failed over to a replica
//! that lags. Writes reach a replica in order, so a bucket has all the data that the positions in
//! its `p` stand for. After each write a node leaves a new mark there. Every second `Redis::sweep`
//! asks each bucket whether it still holds the positions and the mark that it held last. If one
//! does not, the projector goes back to the position of the slowest bucket.
//!
//! SECURITY: whoever can write to Redis changes live figures, and nothing else. Orders are sealed with
//! keys that follow from `keys.json`, because reconciliation asks here which orders are known: a
//! forged one must not hide what a shop says. What is not ours is deleted and counted
//! (`Redis::foreign`), and the projector then builds the state anew.
//!
//! Commands may be sent twice, so each gives the same result when it is repeated. The redirect path
//! never uses Redis.

mod buckets;
mod changes;
mod check;
mod client;
mod connection;
mod foreign;
mod keys;
mod lists;
mod store;
mod watch;

pub(crate) use check::WrongSetting;
pub use client::Redis;
pub(crate) use watch::Lost;
