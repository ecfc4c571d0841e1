//! Creates what the load needs: a merchant, an influencer, a campaign and links.

use anyhow::{Context, Result};
use harness::Product;
use serde_json::{Value, json};

/// The number of links over which followers are spread.
pub(crate) const LINKS: usize = 16;
/// The host of the links.
pub(crate) const HOST: &str = "go.shop.test";

/// Creates all of it through the admin API.
pub(crate) async fn set(product: &Product) -> Result<()> {
    let merchant =
        json!({ "name": "Shop", "domains": ["shop.test"], "currency": "EUR", "timezone": "UTC" });
    let merchant = id(product.create("merchants", &merchant).await?)?;
    let influencer = id(product.create("influencers", &json!({ "name": "Anna" })).await?)?;
    let commission = json!({ "kind": "percent", "rate": "15", "base": "net_goods" });
    let campaign = json!({ "merchant": merchant, "name": "Load", "commission": commission });
    let campaign = id(product.create("campaigns", &campaign).await?)?;
    for number in 0..LINKS {
        let destination = format!("https://shop.test/product/{number}");
        let link = json!({ "campaign": campaign, "influencer": influencer, "destination": destination, "slug": slug(number) });
        product.create("links", &link).await?;
    }
    Ok(())
}

/// Returns the slug of a link.
pub(crate) fn slug(number: usize) -> String {
    format!("l{number}")
}

/// Returns the id in the answer to a creation.
pub(crate) fn id(created: Value) -> Result<String> {
    created["id"].as_str().map(str::to_owned).with_context(|| format!("no id in {created}"))
}
