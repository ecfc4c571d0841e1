//! The scene: a running product and an open shop, with a merchant, a campaign, two influencers,
//! their links and a discount code.
//!
//! All hosts lie under `shop.localhost`, which browsers resolve to this machine. So no hosts file
//! is changed, and the click cookie is a real first-party cookie of the shop.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::{Launch, Product};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::figures::RATE_PERCENT;
use crate::shop::{Hook, Shop, Site};

/// The merchant's domain.
pub const SHOP_DOMAIN: &str = "shop.localhost";
/// The host of the merchant's links.
pub const LINK_HOST: &str = "go.shop.localhost";
/// Ben's discount code.
pub const BENS_CODE: &str = "BEN10";
/// The influencer with a link.
pub const ANNA: &str = "Anna Berg";
/// The influencer with a code.
pub const BEN: &str = "Ben Okafor";
/// A secret in the form in which the product makes them: 43 characters of `[A-Za-z0-9]`, which
/// WordPress does not change.
const WEBHOOK_SECRET: &str = "d3moW3bhookS3cr3tOfLumenAndLoom0123456789ab";

/// The settings of a scene.
#[derive(Debug)]
pub struct Setting {
    /// The folder of the product's binaries.
    pub bin_dir: PathBuf,
    /// The folder of the product's data; without one, a temporary folder that is removed with the
    /// scene.
    pub data: Option<PathBuf>,
    /// Whether the shop reports its paid orders without a call of `confirm`.
    pub confirms_by_itself: bool,
}

/// A scene that is running.
pub struct Scene {
    /// The running product.
    pub product: Product,
    /// The open shop.
    pub shop: Shop,
    /// The merchant's id.
    pub merchant: String,
    /// The campaign's id.
    pub campaign: String,
    /// Anna's link.
    pub anna: Promotion,
    /// Ben's link.
    pub ben: Promotion,
    data: DataDir,
}

/// An influencer's link.
#[derive(Debug)]
pub struct Promotion {
    /// The influencer's id.
    pub influencer: String,
    /// The link's id.
    pub link: String,
    /// The link's address.
    pub url: String,
}

enum DataDir {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Scene {
    /// Starts product and shop, and fills the catalog.
    ///
    /// # Errors
    /// When the product does not start or refuses an entity.
    pub async fn set(setting: Setting) -> Result<Self> {
        let data = match setting.data {
            Some(folder) => DataDir::Kept(folder),
            None => {
                DataDir::Temporary(tempfile::Builder::new().prefix("afterclick-demo-").tempdir()?)
            }
        };
        let product = Launch::new(&setting.bin_dir, data.path()).start().await?;
        let listener =
            TcpListener::bind("127.0.0.1:0").await.context("no free port for the shop")?;
        let shop_url = format!("http://{SHOP_DOMAIN}:{}/", listener.local_addr()?.port());
        let link_base = format!("http://{LINK_HOST}:{}", product.public.port());

        let merchant = create_merchant(&product).await?;
        let campaign = create_campaign(&product, &text(&merchant, "id")?).await?;
        let anna = promote(&product, &campaign, ANNA, "anna", &shop_url, &link_base).await?;
        let ben = promote(&product, &campaign, BEN, "ben", &shop_url, &link_base).await?;
        let coupon =
            json!({ "campaign": campaign, "influencer": ben.influencer, "code": BENS_CODE });
        product.create("coupons", &coupon).await?;

        let merchant_key = text(&merchant, "key")?;
        let site =
            Site { pixel: format!("{link_base}/_ac/px.js"), merchant_key: merchant_key.clone() };
        let hook = Hook {
            address: product.public,
            host: format!("{LINK_HOST}:{}", product.public.port()),
            merchant_key,
            secret: WEBHOOK_SECRET.into(),
            confirms_by_itself: setting.confirms_by_itself,
        };
        let shop = Shop::open(listener, site, hook)?;
        Ok(Self { product, shop, merchant: text(&merchant, "id")?, campaign, anna, ben, data })
    }

    /// Returns the folder of the product's data.
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Closes the shop and stops the product.
    ///
    /// # Errors
    /// When the product does not end as it should.
    pub async fn strike(self) -> Result<()> {
        drop(self.shop);
        self.product.stop().await
    }
}

impl DataDir {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

async fn create_merchant(product: &Product) -> Result<Value> {
    let merchant = json!({
        "name": "Lumen & Loom", "domains": [SHOP_DOMAIN], "currency": "EUR", "timezone": "UTC",
        "platform": "woocommerce", "webhook_secret": WEBHOOK_SECRET, "trust_pixel": false,
    });
    product.create("merchants", &merchant).await
}

async fn create_campaign(product: &Product, merchant: &str) -> Result<String> {
    let commission =
        json!({ "kind": "percent", "rate": RATE_PERCENT.to_string(), "base": "net_goods" });
    let campaign = json!({
        "merchant": merchant, "name": "The autumn edit", "window_days": 30, "dedupe_minutes": 30, "hold_days": 30,
        "commission": commission, "precedence": ["click", "coupon"], "model": "last_click",
    });
    text(&product.create("campaigns", &campaign).await?, "id")
}

async fn promote(
    product: &Product,
    campaign: &str,
    name: &str,
    slug: &str,
    shop_url: &str,
    link_base: &str,
) -> Result<Promotion> {
    let influencer = text(&product.create("influencers", &json!({ "name": name })).await?, "id")?;
    let link = json!({ "campaign": campaign, "influencer": influencer, "destination": shop_url, "slug": slug });
    let link = text(&product.create("links", &link).await?, "id")?;
    Ok(Promotion { influencer, link, url: format!("{link_base}/{slug}") })
}

fn text(answer: &Value, field: &str) -> Result<String> {
    let value = answer[field]
        .as_str()
        .with_context(|| format!("the answer has no text `{field}`: {answer}"))?;
    Ok(value.to_owned())
}
