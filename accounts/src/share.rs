//! The agency's share: a percentage of what a merchant's influencers get, on top of it. Like every
//! balance it is over all time; a period's share is the difference of two.

use shared::agency::AgencyShare;
use shared::id::{InfluencerId, MerchantId};
use shared::money::{Currency, Fraction};

use crate::account::{Account, TooLarge};
use crate::balance::Ledger;
use crate::entry::{AsOf, Standing};

/// Returns the agency's share of everything that was approved at a moment, in minor units. It is
/// rounded once for each share that counted, so that many small amounts do not add up to another
/// share than their sum.
///
/// # Errors
/// [`TooLarge`] when it is beyond what an amount can be.
pub fn agency_minor(
    ledger: &Ledger,
    (merchant, currency): (MerchantId, Currency),
    shares: &[AgencyShare],
    as_of: AsOf,
) -> Result<i64, TooLarge> {
    let of_agency = Account { merchant, influencer: InfluencerId::from_bits(0), currency };
    let mut bases = vec![0i128; shares.len()];
    let is_of = |account: &Account| account.merchant == merchant && account.currency == currency;
    for account in ledger.accounts().filter(is_of) {
        for (entry, standing) in ledger.standings(account, as_of) {
            let at = shares.iter().rposition(|share| share.from <= entry.booked_at);
            if let Some(at) = at.filter(|_| standing == Standing::Approved) {
                bases[at] += i128::from(entry.amount_minor);
            }
        }
    }
    bases.iter().zip(shares).try_fold(0, |mut sum, (base, share)| {
        let (units, scale) = share.percent.fraction();
        let part = Fraction::new(*base, 100).times(units, scale).and_then(Fraction::rounded);
        of_agency.add(&mut sum, part.ok_or(TooLarge(of_agency))?)?;
        Ok(sum)
    })
}

#[cfg(test)]
mod tests {
    use shared::day::Day;
    use shared::id::FactId;
    use shared::zone::Zone;

    use super::*;
    use crate::books::Books;
    use crate::entry::Entry;

    fn share(from: &str, percent: &str) -> AgencyShare {
        AgencyShare { from: from.parse().unwrap(), percent: percent.parse().unwrap() }
    }

    fn entry(number: u8, influencer: u64, at: &str, amount_minor: i64) -> Entry {
        let booked_at = at.parse().unwrap();
        let account = Account {
            merchant: MerchantId::from_bits(9),
            influencer: InfluencerId::from_bits(influencer),
            currency: "EUR".parse().unwrap(),
        };
        Entry {
            id: FactId::from_bytes([number; 16]),
            account,
            campaign: None,
            amount_minor,
            booked_at,
            due_on: Some(Zone::UTC.date(booked_at)),
            held: vec![],
        }
    }

    #[test]
    fn the_share_is_of_the_sum_and_a_new_one_leaves_the_past_alone() {
        let entries = [
            entry(1, 1, "2026-11-01T10:00:00Z", 1_001),
            entry(2, 2, "2026-11-02T10:00:00Z", 1_002),
            entry(3, 1, "2026-12-01T10:00:00Z", 1_000),
            entry(4, 1, "2026-12-02T10:00:00Z", -500),
            entry(5, 1, "2026-12-31T10:00:00Z", 9_999),
        ];
        let ledger = Ledger::of(entries, Books::default());
        let of = (MerchantId::from_bits(9), "EUR".parse().unwrap());
        let first = share("2026-01-01T00:00:00Z", "20");
        let both = [first, share("2026-12-01T00:00:00Z", "12.5")];
        let end = |day: &str| AsOf::end_of(day.parse::<Day>().unwrap(), &Zone::UTC);
        let sum = |shares: &[AgencyShare], day| agency_minor(&ledger, of, shares, end(day));
        // 20 % of 20.03 is 4.006, where 20 % of each would be 2.00 and 2.00.
        assert_eq!(sum(&[first], "2026-11-30"), Ok(401));
        assert_eq!(sum(&both, "2026-11-30"), Ok(401));
        assert_eq!(sum(&both, "2026-12-02"), Ok(401 + 63), "12.5 % of 5.00");
        assert_eq!(sum(&[], "2026-12-02"), Ok(0));
        let late = [share("2026-11-02T00:00:00Z", "20")];
        assert_eq!(sum(&late, "2026-11-30"), Ok(200), "nothing of what was booked before");
        let other = (MerchantId::from_bits(8), of.1);
        assert_eq!(agency_minor(&ledger, other, &both, end("2026-12-02")), Ok(0));
    }
}
