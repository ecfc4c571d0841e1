//! The load test `follow`: followers come at moments that are drawn in advance, over connections of
//! their own. Some of them land in the shop and buy. Latency is measured from the moment when a
//! request should have been sent. Afterwards the answers are compared with the journal and the
//! figures.
//!
//! It never holds a request back until another one is answered, and never trusts the product's
//! counters.

mod arrivals;
mod capacity;
mod cast;
mod disturb;
mod load;
mod measure;
mod pace;
mod page;
mod plan;
mod plot;
mod reconcile;
mod report;
mod show;
mod stage;
mod text;
mod wire;

use anyhow::Result;
use harness::Redis;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use arrivals::Bursts;
pub use capacity::{Capacity, Limit, Step};
pub use cast::Kind;
pub use disturb::Disturb;
pub use measure::{End, OfKind, Phase, Second, Times};
pub use plan::{FollowPlan, Load, Question};
pub use reconcile::{Check, ClassRow, Reconciliation};
pub use report::{FollowReport, Mark, News};

use show::{Show, times};

/// Puts the load on the product, then compares answers, journal and figures.
///
/// # Errors
/// When the product cannot be started or its journal cannot be read.
pub async fn follow(plan: &FollowPlan, tell: &mut dyn FnMut(News<'_>)) -> Result<FollowReport> {
    raise_limit();
    let redis = if plan.disturb == Disturb::Redis { Some(Redis::start(&[])?) } else { None };
    let mut show = Show::open(plan, redis.as_ref()).await?;
    show.warm_up().await?;
    let capacity = match (plan.question, plan.load) {
        (Question::Follow, Load::Rate(_)) => None,
        _ => Some(show.find_capacity(tell).await?),
    };
    let show = match (plan.question, plan.load, &capacity) {
        (Question::Overload(factor), _, Some(capacity)) => {
            show.overload(capacity.rate, factor, tell).await?
        }
        (Question::Follow, Load::Rate(rate), _) => {
            show.all_parts(rate, redis.as_ref(), tell).await?
        }
        (Question::Follow, Load::OfCapacity(share), Some(capacity)) => {
            show.all_parts(times(capacity.rate, share), redis.as_ref(), tell).await?
        }
        _ => show,
    };
    show.close(capacity).await
}

/// Raises the limit of open files as far as the system allows: each connection is an open file.
fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    // If that is refused, connections fail, and the report shows it.
    _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
