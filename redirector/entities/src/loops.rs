//! Links must not lead to links: a visitor would go in circles, and one click would count for many.

use live::host_of;
use live::lenient::meant;
use shared::id::MerchantId;
use shared::links::{Link, Scope, fold_slug};
use url::Url;

use crate::builder::EntityBuilder;
use crate::fields::Fields;

/// Returns the slug that a path means where links are looked up, also with what copying adds to it,
/// and that of a link's preview or picture.
fn slug_of(path: &str) -> String {
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".png").filter(|path| path.ends_with(".qr")).unwrap_or(path);
    let path = path.strip_suffix(".qr").unwrap_or(path);
    meant(path, "").map_or_else(|| path.to_owned(), |meant| meant.slug)
}

impl EntityBuilder<'_> {
    /// Checks that an address is not that of a link, and lies on no host of the agency's links.
    /// `own` is the link that leads there, which may be new.
    ///
    /// Of links that lead in a circle, the one that is made last meets one that is there already.
    pub(crate) fn check_leads_away(
        &self,
        fields: &mut Fields,
        name: &str,
        address: &str,
        (merchant, slug): (MerchantId, &str),
    ) {
        let Ok(url) = Url::parse(address) else { return };
        let Some(host) = url.host_str() else { return };
        let target = &slug_of(url.path());
        match self.snapshot.scope_of(host) {
            // Another port of a test machine is another server.
            Some(Scope::Agency) if url.scheme() != "http" || url.port().is_none() => {
                fields
                    .fault(name, format!("`{host}` is a host of links; a link may not lead there"));
            }
            Some(Scope::Merchant(owner)) if !self.is_shop(owner, host) => {
                let is_own = owner == merchant && fold_slug(target) == fold_slug(slug);
                if is_own || self.has_link(owner, target) {
                    let reason = "is the address of a link; a link may not lead to another";
                    fields.fault(name, format!("`{host}/{target}` {reason}"));
                }
            }
            Some(_) | None => {}
        }
    }

    /// Checks that what visitors write behind a slug cannot make the address of another link: no
    /// destination of a link with deep links lies on a host where links may be.
    pub(super) fn check_deep_links(&self, fields: &mut Fields, link: &Link) {
        let hosts = link.destinations().filter_map(host_of);
        let is_of_links = |host: &String| match self.snapshot.scope_of(host) {
            Some(Scope::Merchant(owner)) => !self.is_shop(owner, host),
            Some(Scope::Agency) => true,
            None => false,
        };
        if let Some(host) = hosts.filter(|_| link.deep_links).find(is_of_links) {
            let reason = "may be a host of links; deep links would lead from one to another";
            fields.fault("deep_links", format!("`{host}` {reason}"));
        }
    }

    /// Returns whether a host is a merchant's domain itself, where the shop is, or its `www` name.
    fn is_shop(&self, owner: MerchantId, host: &str) -> bool {
        let domains = self.catalog.merchants.get(&owner).map(|merchant| &merchant.domains);
        let bare = host.strip_prefix("www.").unwrap_or(host);
        domains.is_some_and(|domains| domains.iter().any(|domain| domain == host || domain == bare))
    }

    fn has_link(&self, merchant: MerchantId, slug: &str) -> bool {
        self.catalog.links.by_slug(Scope::Merchant(merchant), slug).is_some()
            || self.slugs.contains(&(merchant, fold_slug(slug)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_that_is_followed_as_a_link_names_its_slug() {
        for path in [
            "/anna",
            "/anna/",
            "//anna",
            "/anna.",
            "/%61nna",
            "/anna%20",
            "/anna&utm_source=x",
            "/anna%3Fx=1",
            "/anna%E2%80%8B",
            "/(anna)",
            "/anna+",
            "/anna.qr",
            "/anna.qr.png",
            "/%61nna.qr",
        ] {
            assert_eq!(slug_of(path), "anna", "{path}");
        }
        for path in ["/", "/anna/b", "/an%20na", "/anna.html", "/anna.png"] {
            assert_ne!(slug_of(path), "anna", "{path}");
        }
    }
}
