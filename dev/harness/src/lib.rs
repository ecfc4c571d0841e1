//! Runs the product as its operator does: starts the binaries, speaks HTTP to them, stops or kills
//! them.
//!
//! Tests, the demo and the load test use it. It never uses the product's code, so it sees what
//! users see. It never leaves a process behind.

pub mod http;
pub mod product;
pub mod redis;
pub mod slow;

pub use http::Answer;
pub use product::{Launch, Product, Row, default_bin_dir};
pub use redis::{Certificates, Redis, RedisCluster};
pub use slow::SlowWire;
