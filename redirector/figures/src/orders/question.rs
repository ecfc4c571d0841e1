//! Which orders a list is asked for, and which of them somebody may see. Rights narrow the question
//! itself, so no filter can widen them.

use hot_state::{ListedOrder, Scope};
use settlement::attribution::Method;
use shared::catalog::{Catalog, Role};
use shared::day::Day;
use shared::id::{CampaignId, InfluencerId, MerchantId};
use shared::order::Status;

use crate::orders::days::Days;

/// Which orders are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Question {
    pub merchant: Option<MerchantId>,
    pub campaign: Option<CampaignId>,
    pub influencer: Option<InfluencerId>,
    pub status: Option<StatusWord>,
    pub method: Option<Method>,
    pub credited: Option<bool>,
    pub from: Option<Day>,
    pub to: Option<Day>,
    /// An id or another name.
    pub name: Option<String>,
}

/// What somebody sees of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    Whole,
    /// The sale alone: nothing by which the shop, or another one, knows the order or its customer.
    Sale,
}

/// A status by which orders are filtered: the order's own, or the one that exports use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusWord {
    Of(Status),
    Claimed,
    Confirmed,
    Cancelled,
}

impl StatusWord {
    pub(crate) fn has(self, status: Status, confirmed: bool) -> bool {
        match self {
            Self::Of(of) => of == status,
            Self::Claimed => conversion_status(status, confirmed) == "claimed",
            Self::Confirmed => conversion_status(status, confirmed) == "confirmed",
            Self::Cancelled => conversion_status(status, confirmed) == "cancelled",
        }
    }
}

/// Returns the status that exports give to the order's conversion.
pub(crate) const fn conversion_status(status: Status, confirmed: bool) -> &'static str {
    match status {
        Status::Void => "cancelled",
        Status::Draft => "claimed",
        Status::Unpaid | Status::Paid if confirmed => "confirmed",
        Status::Unpaid | Status::Paid => "claimed",
    }
}

impl Question {
    /// Returns the part of the question that somebody in this role may ask, and what they see of each
    /// order; `None` where they may see no order that is asked for.
    ///
    /// SECURITY: whoever sees only the sale must not find out by which id or name the shop knows it, so
    /// for them no name finds an order.
    pub fn visible_to(self, role: Role) -> Option<(Self, Sight)> {
        match role {
            Role::Admin => Some((self, Sight::Whole)),
            Role::Merchant(own) => {
                let merchant = only(self.merchant, own)?;
                Some((Self { merchant: Some(merchant), ..self }, Sight::Whole))
            }
            Role::Influencer(_) if self.name.is_some() => None,
            Role::Influencer(own) => {
                let influencer = only(self.influencer, own)?;
                Some((Self { influencer: Some(influencer), ..self }, Sight::Sale))
            }
        }
    }

    /// Returns the shortest list that has all orders that are asked for.
    pub(crate) fn scope(&self) -> Scope {
        match (self.merchant, self.campaign, self.influencer) {
            (_, Some(campaign), Some(influencer)) => Scope::OfCampaign(campaign, influencer),
            (_, Some(campaign), None) => Scope::Campaign(campaign),
            (Some(merchant), None, Some(influencer)) => Scope::OfMerchant(merchant, influencer),
            (Some(merchant), None, None) => Scope::Merchant(merchant),
            (None, None, Some(influencer)) => Scope::Influencer(influencer),
            (None, None, None) => Scope::All,
        }
    }

    /// Returns whether orders of this kind are asked for.
    pub(crate) fn wants(&self, method: Method, status: Status, confirmed: bool) -> bool {
        self.method.is_none_or(|wanted| wanted == method)
            && self.credited.is_none_or(|credited| credited == (method != Method::None))
            && self.status.is_none_or(|word| word.has(status, confirmed))
    }

    /// Returns whether an order is asked for, whatever list it was found in.
    pub(crate) fn has(&self, order: &ListedOrder, days: &Days) -> bool {
        let row = &order.row;
        let is_credited =
            |wanted: &dyn Fn(CampaignId, InfluencerId) -> bool| match row.credited.as_ref() {
                Some(credited) => wanted(credited.campaign, credited.influencer),
                None => false,
            };
        self.merchant.is_none_or(|wanted| wanted == order.merchant)
            && self.campaign.is_none_or(|wanted| is_credited(&|campaign, _| campaign == wanted))
            && self.influencer.is_none_or(|wanted| is_credited(&|_, of| of == wanted))
            && self.wants(row.method, row.status, row.confirmed)
            && days.have(order.merchant, row.placed_at)
    }

    /// Returns the merchants whose orders may be asked for; none where the campaign is another
    /// merchant's.
    pub(crate) fn merchants(&self, catalog: &Catalog) -> Vec<MerchantId> {
        let of_campaign = self.campaign.and_then(|campaign| catalog.campaigns.get(&campaign));
        match (self.merchant, of_campaign.map(|campaign| campaign.merchant)) {
            (Some(merchant), Some(of_campaign)) if merchant != of_campaign => vec![],
            (Some(merchant), _) | (None, Some(merchant)) => vec![merchant],
            (None, None) => catalog.merchants.keys().copied().collect(),
        }
    }
}

/// Returns the one that may be seen, unless another one is asked for.
fn only<Id: PartialEq>(asked: Option<Id>, own: Id) -> Option<Id> {
    Some(own).filter(|own| asked.is_none_or(|asked| asked == *own))
}

/// The words by which orders are filtered by status.
pub(crate) const STATUSES: [(&str, StatusWord); 7] = [
    ("draft", StatusWord::Of(Status::Draft)),
    ("unpaid", StatusWord::Of(Status::Unpaid)),
    ("paid", StatusWord::Of(Status::Paid)),
    ("void", StatusWord::Of(Status::Void)),
    ("claimed", StatusWord::Claimed),
    ("confirmed", StatusWord::Confirmed),
    ("cancelled", StatusWord::Cancelled),
];

/// The words by which orders are filtered by method.
pub(crate) const METHODS: [(&str, Method); 4] = [
    ("click", Method::Click),
    ("coupon", Method::Coupon),
    ("code_visit", Method::CodeVisit),
    ("none", Method::None),
];

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u64 = 1;
    const OTHER: u64 = 2;

    fn asked(merchant: Option<u64>, influencer: Option<u64>, name: Option<&str>) -> Question {
        Question {
            merchant: merchant.map(MerchantId::from_bits),
            influencer: influencer.map(InfluencerId::from_bits),
            campaign: Some(CampaignId::from_bits(OTHER)),
            credited: Some(false),
            name: name.map(str::to_owned),
            ..Question::default()
        }
    }

    /// Every question in every role. What is left of a question names the one who asks.
    #[test]
    fn nobody_widens_by_a_filter_what_their_role_may_see() {
        let (merchant, influencer) = (MerchantId::from_bits(OWN), InfluencerId::from_bits(OWN));
        for asked_merchant in [None, Some(OWN), Some(OTHER)] {
            for asked_influencer in [None, Some(OWN), Some(OTHER)] {
                for name in [None, Some("1007")] {
                    let question = || asked(asked_merchant, asked_influencer, name);
                    let seen = |role| question().visible_to(role);
                    assert_eq!(seen(Role::Admin), Some((question(), Sight::Whole)));
                    let own = asked(Some(OWN), asked_influencer, name);
                    let expected = Some((own, Sight::Whole));
                    let expected = expected.filter(|_| asked_merchant != Some(OTHER));
                    assert_eq!(seen(Role::Merchant(merchant)), expected, "{:?}", question());
                    let own = asked(asked_merchant, Some(OWN), None);
                    let expected = Some((own, Sight::Sale));
                    let is_seen = asked_influencer != Some(OTHER) && name.is_none();
                    let expected = expected.filter(|_| is_seen);
                    assert_eq!(seen(Role::Influencer(influencer)), expected, "{:?}", question());
                }
            }
        }
    }

    #[test]
    fn the_list_is_the_shortest_that_has_all_that_is_asked_for() {
        let (merchant, campaign) = (MerchantId::from_bits(1), CampaignId::from_bits(2));
        let influencer = InfluencerId::from_bits(3);
        for (of, scope) in [
            ((None, None, None), Scope::All),
            ((Some(merchant), None, None), Scope::Merchant(merchant)),
            ((None, Some(campaign), None), Scope::Campaign(campaign)),
            ((Some(merchant), Some(campaign), None), Scope::Campaign(campaign)),
            ((None, None, Some(influencer)), Scope::Influencer(influencer)),
            ((Some(merchant), None, Some(influencer)), Scope::OfMerchant(merchant, influencer)),
            ((None, Some(campaign), Some(influencer)), Scope::OfCampaign(campaign, influencer)),
        ] {
            let (merchant, campaign, influencer) = of;
            let question = Question { merchant, campaign, influencer, ..Question::default() };
            assert_eq!(question.scope(), scope, "{question:?}");
        }
    }

    #[test]
    fn each_status_word_has_the_orders_that_its_page_says() {
        for (word, has) in [
            ("draft", vec![(Status::Draft, false), (Status::Draft, true)]),
            ("paid", vec![(Status::Paid, false), (Status::Paid, true)]),
            ("confirmed", vec![(Status::Unpaid, true), (Status::Paid, true)]),
            ("cancelled", vec![(Status::Void, false), (Status::Void, true)]),
            (
                "claimed",
                vec![
                    (Status::Draft, false),
                    (Status::Draft, true),
                    (Status::Unpaid, false),
                    (Status::Paid, false),
                ],
            ),
        ] {
            let (_, meant) = STATUSES.into_iter().find(|(known, _)| *known == word).unwrap();
            let all = [Status::Draft, Status::Unpaid, Status::Paid, Status::Void].into_iter();
            let all = all.flat_map(|status| [(status, false), (status, true)]);
            let found: Vec<_> = all.filter(|(status, is)| meant.has(*status, *is)).collect();
            assert_eq!(found, has, "{word}");
        }
    }
}
