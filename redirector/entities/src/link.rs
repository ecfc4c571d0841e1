//! Links.

use live::check_slug;
use rand::RngExt;
use shared::id::{LinkId, MerchantId};
use shared::links::{Link, Schedule, Scope, fold_slug};
use shared::rules::Rules;

use crate::branches::Of;
use crate::builder::{EntityBuilder, destination, found, schedule};
use crate::fields::{Fields, flag};

impl EntityBuilder<'_> {
    pub(crate) fn link(&mut self, fields: &mut Fields) -> Option<Link> {
        let campaign = fields.required("campaign", |value| found(value, &self.catalog.campaigns));
        let influencer =
            fields.required("influencer", |value| found(value, &self.catalog.influencers));
        let target = fields.required("destination", destination);
        let fallback = fields.optional("fallback", destination);
        let slug = fields.optional("slug", |value| {
            let slug = value.as_str().unwrap_or_default();
            check_slug(slug).map(|()| slug.to_owned())
        });
        let pass_click_ids = fields.optional("pass_click_ids", flag).unwrap_or(false);
        let deep_links = fields.optional("deep_links", flag).unwrap_or(false);
        let schedule = schedule(fields, Schedule::default());
        let slug = slug.unwrap_or_else(|| self.unguessable(11));
        let of = Of { campaign, slug: &slug, held: vec![] };
        let Rules { rules, split } = self.branches(fields, &of, Rules::default());
        let campaign = campaign?;
        for (name, target) in [("destination", &target), ("fallback", &fallback)] {
            if let Some(target) = target {
                self.check_target(fields, name, target, campaign);
                self.check_leads_away(fields, name, target, (campaign.merchant, &slug));
            }
        }
        if !self.reserve(campaign.merchant, &slug) {
            fields.taken("slug", format!("`{slug}` is taken by another link of this merchant"));
        }
        let link = Link {
            id: LinkId::from_bits(self.random.random()),
            campaign: campaign.id,
            influencer: influencer?.id,
            destination: target?,
            slug,
            starts_at: schedule.starts_at,
            ends_at: schedule.ends_at,
            fallback,
            paused: schedule.paused,
            pass_click_ids,
            deep_links,
            rules,
            split,
            created_at: self.now,
            updated_at: self.now,
        };
        self.check_deep_links(fields, &link);
        Some(link)
    }

    fn reserve(&mut self, merchant: MerchantId, slug: &str) -> bool {
        let taken = self.catalog.links.by_slug(Scope::Merchant(merchant), slug).is_some();
        !taken && self.slugs.insert((merchant, fold_slug(slug)))
    }

    pub(crate) fn changed_link(&self, fields: &mut Fields, held: &Link) -> Option<Link> {
        let target =
            fields.optional("destination", destination).unwrap_or_else(|| held.destination.clone());
        let fallback = fields.change("fallback", destination, held.fallback.clone());
        let campaign = self.catalog.campaigns.get(&held.campaign);
        // A target that stays is not judged again: the merchant's domains may have changed since, and
        // links may have been made.
        let targets = [
            ("destination", Some(&target), Some(&held.destination)),
            ("fallback", fallback.as_ref(), held.fallback.as_ref()),
        ];
        for (name, target, kept) in targets {
            if let Some((target, campaign)) = target.zip(campaign).filter(|_| target != kept) {
                self.check_target(fields, name, target, campaign);
                self.check_leads_away(fields, name, target, (campaign.merchant, &held.slug));
            }
        }
        let pass_click_ids = fields.optional("pass_click_ids", flag).unwrap_or(held.pass_click_ids);
        let deep_links = fields.optional("deep_links", flag).unwrap_or(held.deep_links);
        let Schedule { paused, starts_at, ends_at } = schedule(fields, held.schedule());
        let known = Rules { rules: held.rules.clone(), split: held.split.clone() };
        let of = Of {
            campaign: campaign.map(AsRef::as_ref),
            slug: &held.slug,
            held: held.destinations().collect(),
        };
        let Rules { rules, split } = self.branches(fields, &of, known);
        let link = Link {
            destination: target,
            fallback,
            paused,
            pass_click_ids,
            deep_links,
            rules,
            split,
            starts_at,
            ends_at,
            updated_at: self.now,
            ..held.clone()
        };
        if !held.deep_links || link.destinations().ne(held.destinations()) {
            self.check_deep_links(fields, &link);
        }
        Some(link)
    }
}
