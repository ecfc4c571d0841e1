//! The product as its operator meets it: binaries are started, spoken to over HTTP, stopped or
//! killed.
//!
//! For tests, demo and load. It never uses the product's code, so that what it sees is what users
//! see, and never leaves a process behind.

pub mod http;
pub mod product;
pub mod redis;

pub use http::Answer;
pub use product::{Launch, Product, Row, default_bin_dir};
pub use redis::{Certificates, Redis, RedisCluster};
