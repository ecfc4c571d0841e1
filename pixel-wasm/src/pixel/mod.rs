//! What the pixel decides: what becomes of a visit, of calls and of orders.
//!
//! It takes one [`Input`] after the other, and says through the port ([`page`]) what is to be done.
//! It reads no clock, no storage and no network by itself. Once consent is denied, or as long as it
//! is not answered, it stores nothing and sends nothing. Every event is kept before it is sent, and
//! goes out with one id.

pub mod address;
pub mod consent;
pub mod entry;
mod input;
pub mod order;
pub mod page;
mod queue;
mod report;
mod state;
pub mod text;
pub mod uuid;
mod visit;

pub use self::input::Input;
pub use self::state::Pixel;
