//! Coupons.

use live::check_code;
use rand::RngExt;
use shared::catalog::Coupon;
use shared::code::fold_code;
use shared::id::{CouponId, MerchantId};
use shared::links::Schedule;
use shared::platform::Platform;
use shared::time::Timestamp;

use crate::builder::{EntityBuilder, dates, found};
use crate::fields::Fields;

impl EntityBuilder<'_> {
    pub(crate) fn coupon(&mut self, fields: &mut Fields) -> Option<Coupon> {
        let campaign = fields.required("campaign", |value| found(value, &self.catalog.campaigns));
        let influencer =
            fields.required("influencer", |value| found(value, &self.catalog.influencers));
        let code = fields.required("code", |value| check_code(value.as_str().unwrap_or_default()));
        let dates = dates(fields, Schedule::default());
        let (campaign, code) = (campaign?, code?);
        let coupon = Coupon {
            id: CouponId::from_bits(self.random.random()),
            campaign: campaign.id,
            influencer: influencer?.id,
            code,
            starts_at: dates.starts_at,
            ends_at: dates.ends_at,
            created_at: self.now,
            updated_at: self.now,
        };
        self.check_coupon(fields, campaign.merchant, &coupon, None);
        self.codes.entry(fold_code(&coupon.code)).or_default().push(coupon.clone());
        Some(coupon)
    }

    pub(crate) fn changed_coupon(&self, fields: &mut Fields, held: &Coupon) -> Option<Coupon> {
        let held_dates =
            Schedule { paused: false, starts_at: held.starts_at, ends_at: held.ends_at };
        let dates = dates(fields, held_dates);
        self.check_not_in_the_past(
            fields,
            (held.starts_at, dates.starts_at),
            (held.ends_at, dates.ends_at),
        );
        let coupon = Coupon {
            starts_at: dates.starts_at,
            ends_at: dates.ends_at,
            updated_at: self.now,
            ..held.clone()
        };
        let merchant = self.catalog.campaigns.get(&held.campaign)?.merchant;
        self.check_coupon(fields, merchant, &coupon, Some(held));
        Some(coupon)
    }

    /// Checks that a code can be found on orders, and has only one owner at a time. What overlaps
    /// already may go on: it was entered when fewer spellings were one code.
    fn check_coupon(
        &self,
        fields: &mut Fields,
        merchant: MerchantId,
        coupon: &Coupon,
        earlier: Option<&Coupon>,
    ) {
        let platform = self.catalog.merchants.get(&merchant).and_then(|m| m.platform);
        if platform == Some(Platform::Magento) && coupon.code.contains(',') && earlier.is_none() {
            let reason = "Magento separates codes by commas, so no order can bring this one";
            fields.fault("code", format!("`{}`: {reason}", coupon.code));
        }
        let held =
            self.catalog.coupons_with_code(merchant, &coupon.code).into_iter().map(AsRef::as_ref);
        let of_merchant = |c: &&Coupon| {
            self.catalog
                .campaigns
                .get(&c.campaign)
                .is_some_and(|campaign| campaign.merchant == merchant)
        };
        let fresh =
            self.codes.get(&fold_code(&coupon.code)).into_iter().flatten().filter(of_merchant);
        let is_new = |other: &&Coupon| !earlier.is_some_and(|earlier| overlap(other, earlier));
        let clash = held
            .chain(fresh)
            .filter(is_new)
            .find(|other| other.id != coupon.id && overlap(other, coupon));
        if let Some(other) = clash {
            fields.fault(
                "code",
                format!(
                    "`{}` belongs to influencer {} at the same time",
                    coupon.code, other.influencer
                ),
            );
        }
    }
}

fn overlap(a: &Coupon, b: &Coupon) -> bool {
    let before = |end: Option<Timestamp>, start: Option<Timestamp>| matches!((end, start), (Some(e), Some(s)) if e <= s);
    !before(a.ends_at, b.starts_at) && !before(b.ends_at, a.starts_at)
}
