//! Who asks: what every handler may know of them. How they prove it, `auth` and `sign_in` decide.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use answers::Problem;
use shared::catalog::{By, Catalog, Role};
use tokio::time::sleep;

use crate::context::Console;
use crate::guesses::{self, Admission, Client};

/// The address that a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CameFrom(pub IpAddr);

/// Who asks, and what they may do.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub role: Role,
    pub by: By,
    pub name: String,
}

/// Who asks, as records name them: the name of the access token, or its id where it has none.
#[derive(Debug, Clone)]
pub(crate) struct Author(pub String);

/// Waits where an address has guessed.
pub(crate) async fn slow_down(console: &Console, address: IpAddr) -> Result<(), Problem> {
    match console.guesses.admit(Client::of(address), Instant::now()) {
        Admission::Now => {}
        Admission::Wait(client) => {
            let _waiting = Waiting { console, client };
            sleep(guesses::WAIT).await;
        }
        Admission::Refused => return Err(Problem::too_many_guesses()),
    }
    Ok(())
}

/// A request that waits; also one whose sender goes away waits no longer.
struct Waiting<'a> {
    console: &'a Console,
    client: Client,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.console.guesses.waited(self.client);
    }
}

/// How long to wait before the next try to read a catalog that is being changed.
const CATALOG_PAUSE: Duration = Duration::from_millis(1);

/// Looks something up in the catalog without blocking the thread.
pub(crate) async fn look_up<T>(
    console: &Console,
    find: impl Fn(&Catalog) -> Option<T>,
) -> Option<T> {
    loop {
        if let Some(catalog) = console.live.try_read() {
            return find(&catalog);
        }
        sleep(CATALOG_PAUSE).await;
    }
}
