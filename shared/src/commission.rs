//! Commission: what a campaign pays for an order, computed anew whenever the order's facts change.
//!
//! An amount is rounded once, at the end. No amount is a float, and no share is more than the order
//! is worth. An order that is cancelled, refunded whole or a test pays zero.
//!
//! A campaign's terms are a list of rules. Among the rules of one kind, the first that fits counts;
//! percentages are chosen so for each line of the order. The amounts of different kinds add up.

use serde::{Deserialize, Serialize};

use crate::money::{AMOUNT_MAX, Currency, Decimal, Fraction, Money};
use crate::order::{Line, Order};
use crate::rates::Conversion;

/// The amount of which a percentage is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// The goods after discounts, without tax and shipping, less refunds.
    #[default]
    NetGoods,
}

/// The payment of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pays {
    /// A share of the order's goods, in percent: `15` or `7.5`.
    Percent(Decimal, Base),
    /// A fixed amount for each order, in the merchant's currency.
    PerSale(Decimal),
    /// A fixed amount for each lead, in the merchant's currency.
    PerLead(Decimal),
    /// A fixed amount for each billable click, in the merchant's currency.
    PerClick(Decimal),
    /// A bonus for volume: a number of orders, and a percentage. An influencer who reaches the
    /// number of orders in a month earns the percentage in addition, on all goods of that month.
    /// Among several such rules, the one with the highest number reached counts.
    Volume(u32, Decimal),
}

/// The conditions under which a rule counts. Of each list that is not empty, one entry must fit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// Article numbers or product ids, compared without case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub product: Vec<String>,
    /// The shop's categories, compared without case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub category: Vec<String>,
    /// `true` asks for the customer's first order, `false` for a later one. An order for which this
    /// is not known fits neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_customer: Option<bool>,
    /// `true` asks for an order whose goods cost nothing after discounts, `false` for one whose goods
    /// cost something. An order for which this is not known fits neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free: Option<bool>,
}

/// One rule: a payment and its conditions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RuleForm", into = "RuleForm")]
pub struct Rule {
    /// The payment.
    pub pays: Pays,
    /// The conditions under which it counts.
    pub when: Conditions,
}

/// A rule in JSON: `{"kind": "percent", "rate": "15", "when": {"category": ["Shoes"]}}`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleForm {
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<Decimal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<Base>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    orders: Option<u32>,
    #[serde(default, skip_serializing_if = "is_default")]
    when: Conditions,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Percent,
    PerSale,
    PerLead,
    PerClick,
    Volume,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl TryFrom<RuleForm> for Rule {
    type Error = RuleError;
    fn try_from(form: RuleForm) -> Result<Self, RuleError> {
        let RuleForm { kind, rate, amount, base, orders, when } = form;
        let pays = match (kind, rate, amount, base, orders) {
            (Kind::Percent, Some(rate), None, base, None) => {
                Pays::Percent(rate, base.unwrap_or_default())
            }
            (Kind::PerSale, None, Some(amount), None, None) => Pays::PerSale(amount),
            (Kind::PerLead, None, Some(amount), None, None) => Pays::PerLead(amount),
            (Kind::PerClick, None, Some(amount), None, None) => Pays::PerClick(amount),
            (Kind::Volume, Some(rate), None, None, Some(orders)) => Pays::Volume(orders, rate),
            _ => return Err(RuleError::Shape),
        };
        let of_order = matches!(pays, Pays::Percent(..) | Pays::PerSale(_));
        if of_order || when == Conditions::default() {
            Ok(Self { pays, when })
        } else {
            Err(RuleError::When)
        }
    }
}

impl From<Rule> for RuleForm {
    fn from(rule: Rule) -> Self {
        let when = rule.when;
        let form =
            Self { kind: Kind::Percent, rate: None, amount: None, base: None, orders: None, when };
        match rule.pays {
            Pays::Percent(rate, base) => Self { rate: Some(rate), base: Some(base), ..form },
            Pays::PerSale(amount) => Self { kind: Kind::PerSale, amount: Some(amount), ..form },
            Pays::PerLead(amount) => Self { kind: Kind::PerLead, amount: Some(amount), ..form },
            Pays::PerClick(amount) => Self { kind: Kind::PerClick, amount: Some(amount), ..form },
            Pays::Volume(orders, rate) => {
                Self { kind: Kind::Volume, rate: Some(rate), orders: Some(orders), ..form }
            }
        }
    }
}

/// The terms of a campaign: a list of rules. In JSON a single rule may stand without a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TermsForm", into = "TermsForm")]
pub struct Terms(Vec<Rule>);

#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum TermsForm {
    Many(Vec<Rule>),
    One(Rule),
}

impl TryFrom<TermsForm> for Terms {
    type Error = RuleError;
    fn try_from(form: TermsForm) -> Result<Self, RuleError> {
        let rules = match form {
            TermsForm::Many(rules) => rules,
            TermsForm::One(rule) => vec![rule],
        };
        Self::new(rules)
    }
}

impl From<Terms> for TermsForm {
    fn from(Terms(mut rules): Terms) -> Self {
        match rules.pop() {
            Some(only) if rules.is_empty() => Self::One(only),
            last => Self::Many(rules.into_iter().chain(last).collect()),
        }
    }
}

/// The reason why rules are invalid. The sender is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// The fields do not make a rule of its kind.
    #[error(
        "a rule is {{\"kind\": \"percent\", \"rate\": \"15\"}} or {{\"kind\": \"per_sale\", \"per_lead\" or \"per_click\", \"amount\": \"5.00\"}}"
    )]
    Shape,
    /// Conditions on a kind of rule that can have none.
    #[error("when: leads, clicks and months have no products, categories or customers")]
    When,
    /// No rule, or too many rules.
    #[error("commission: expected 1 to {RULES_MAX} rules")]
    Count,
    /// A rate outside 0 to 100 or with too many digits.
    #[error("commission.rate: `{0}` must be between 0 and 100 with at most 6 decimals")]
    Rate(Decimal),
    /// An amount below zero or above [`AMOUNT_MAX`].
    #[error("commission.amount: `{0}` must be zero or more and fit the merchant's currency")]
    Amount(Decimal),
    /// A list of conditions that is too long, or an entry that is empty or too long.
    #[error(
        "commission.when: at most {ENTRIES_MAX} products and categories of 1 to 200 characters"
    )]
    Entries,
    /// More leads of one click than can be counted.
    #[error("caps.leads_per_click: `{0}` must be at most {most}", most = Caps::LEADS_PER_CLICK_MAX)]
    LeadsPerClick(u32),
}

/// An amount that is due for an order, with the figures it was computed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The amount.
    pub amount: Money,
    /// The amount of which the rate was taken; for a fixed amount the order's net goods.
    pub base: Money,
    /// The rates and amounts as text: `15`, or `15 + 5.00`.
    pub rate: String,
    /// True when the amount is a share in the order's currency although the merchant pays in
    /// another one, because no exchange rate is known.
    pub unconverted: bool,
}

/// The number of rules that a campaign may have.
pub const RULES_MAX: usize = 50;
/// The number of products and categories that a rule may name.
pub const ENTRIES_MAX: usize = 500;
/// A rate may have six decimals: rates are computed in millionths of a percent.
const RATE_SCALE: i128 = 1_000_000;

impl Terms {
    /// Makes terms of these rules.
    ///
    /// # Errors
    /// [`RuleError::Count`] when there is no rule, or when there are too many.
    pub fn new(rules: Vec<Rule>) -> Result<Self, RuleError> {
        if (1..=RULES_MAX).contains(&rules.len()) { Ok(Self(rules)) } else { Err(RuleError::Count) }
    }

    /// Checks the numbers and conditions of the rules.
    ///
    /// # Errors
    /// Names the first one that is out of bounds.
    pub fn check(&self, currency: Currency) -> Result<(), RuleError> {
        self.0.iter().try_for_each(|rule| rule.check(currency))
    }

    /// Returns the rules, in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.0
    }

    /// Returns the terms in one line, as statements and decisions show them.
    pub fn describe(&self) -> String {
        let texts: Vec<_> = self.0.iter().map(Rule::describe).collect();
        texts.join("; ")
    }

    /// Returns the amount for each lead.
    pub fn per_lead(&self) -> Option<Decimal> {
        self.0.iter().find_map(|rule| {
            if let Pays::PerLead(amount) = rule.pays { Some(amount) } else { None }
        })
    }

    /// Returns the amount for each billable click.
    pub fn per_click(&self) -> Option<Decimal> {
        self.0.iter().find_map(|rule| {
            if let Pays::PerClick(amount) = rule.pays { Some(amount) } else { None }
        })
    }

    /// Returns the bonus for a month with this number of orders: the number at which it begins, and
    /// the percentage.
    pub fn volume(&self, orders: u32) -> Option<(u32, Decimal)> {
        let of_rule = |rule: &Rule| {
            if let Pays::Volume(from, rate) = rule.pays { Some((from, rate)) } else { None }
        };
        self.0
            .iter()
            .filter_map(of_rule)
            .filter(|(from, _)| *from <= orders)
            .max_by_key(|(from, _)| *from)
    }

    /// Returns what is due for the order as it stands, one amount for each currency. Fixed amounts
    /// are in the merchant's currency; so are shares where `conversion` converts the order's
    /// currency into it.
    ///
    /// Empty when no rule fits, or when the amounts of the order are not known yet.
    pub fn due(
        &self,
        order: &Order,
        merchant: Currency,
        conversion: Option<&Conversion>,
    ) -> Vec<Due> {
        let earning = order.is_earning();
        let share = self.share(order, merchant, conversion, earning);
        let fixed = self.fixed(order, merchant, earning);
        match (share, fixed) {
            (Some(share), Some(fixed)) if share.amount.currency == fixed.amount.currency => {
                let minor = share.amount.minor.saturating_add(fixed.amount.minor);
                let rate = format!("{} + {}", share.rate, fixed.rate);
                vec![Due { amount: Money { minor, ..share.amount }, rate, ..share }]
            }
            (share, fixed) => share.into_iter().chain(fixed).collect(),
        }
    }

    /// Returns the share of the goods that were kept. Each line counts with the first percentage
    /// that fits it; the sum is rounded once, at the end.
    fn share(
        &self,
        order: &Order,
        merchant: Currency,
        conversion: Option<&Conversion>,
        earning: bool,
    ) -> Option<Due> {
        let rules: Vec<(&Rule, Decimal)> = self.0.iter().filter_map(Rule::percent).collect();
        if rules.is_empty() {
            return None;
        }
        let currency = order.currency?;
        let (kept, whole) = order.kept_goods()?;
        let mut shared: Vec<i128> = vec![0; rules.len()];
        let mut weight_of_all = 0;
        for (line, weight) in weights(order) {
            weight_of_all += weight;
            if let Some(index) = rules.iter().position(|(rule, _)| rule.fits(order, line)) {
                shared[index] += weight;
            }
        }
        let weight_of_all = weight_of_all.max(1);
        let mut rated: i128 = 0;
        for ((_, rate), weight) in rules.iter().zip(&shared) {
            let (units, scale) = rate.fraction();
            rated = rated.checked_add((units * RATE_SCALE / scale).checked_mul(*weight)?)?;
        }
        let converted = conversion.filter(|_| currency != merchant);
        let in_currency = |fraction: Fraction| match converted {
            Some(conversion) => conversion.apply(fraction),
            None => Some(fraction),
        };
        let goods = Fraction::new(kept, whole);
        let share = goods
            .times(rated, 100 * RATE_SCALE * weight_of_all)
            .and_then(in_currency)?
            .rounded()?;
        let base =
            goods.times(shared.iter().sum(), weight_of_all).and_then(in_currency)?.rounded()?;
        let counted =
            rules.iter().zip(&shared).filter(|(_, weight)| **weight > 0 || rules.len() == 1);
        let rates: Vec<_> = counted.map(|((_, rate), _)| rate.to_string()).collect();
        let currency = if converted.is_some() { merchant } else { currency };
        let earned = |minor| Money { minor: if earning { minor } else { 0 }, currency };
        Some(Due {
            amount: earned(share),
            base: earned(base),
            rate: rates.join(" + "),
            unconverted: currency != merchant,
        })
    }

    /// Returns the first fixed amount that fits. It is paid as long as anything of the order is
    /// kept.
    fn fixed(&self, order: &Order, merchant: Currency, earning: bool) -> Option<Due> {
        let of_order = |rule: &&Rule| matches!(rule.pays, Pays::PerSale(_)) && rule.fits_any(order);
        let rule = self.0.iter().find(of_order)?;
        let Pays::PerSale(amount) = rule.pays else { return None };
        let whole = earning && !order.is_given_back();
        let minor = if whole { amount.to_minor(merchant).ok()? } else { 0 };
        Some(Due {
            amount: Money { minor, currency: merchant },
            base: Money {
                minor: if earning { order.net_goods_minor().unwrap_or(0) } else { 0 },
                currency: order.currency.unwrap_or(merchant),
            },
            rate: amount.to_string(),
            unconverted: false,
        })
    }
}

/// Returns the lines of an order, each with the goods kept of it as its weight. An order whose
/// lines are not known counts as one line.
fn weights(order: &Order) -> Vec<(Option<&Line>, i128)> {
    let refunded = |line: &Line| order.refunded_lines.get(&line.id).copied().unwrap_or(0);
    let kept = |line: &Line| i128::from((line.goods_minor - refunded(line)).max(0));
    let weights: Vec<_> = order.lines.iter().map(|line| (Some(line), kept(line))).collect();
    if weights.iter().all(|(_, weight)| *weight == 0) { vec![(None, 1)] } else { weights }
}

impl Rule {
    /// Makes a rule without conditions.
    pub fn always(pays: Pays) -> Self {
        Self { pays, when: Conditions::default() }
    }

    fn percent(&self) -> Option<(&Self, Decimal)> {
        if let Pays::Percent(rate, _) = self.pays { Some((self, rate)) } else { None }
    }

    fn check(&self, currency: Currency) -> Result<(), RuleError> {
        let entries = || self.when.product.iter().chain(&self.when.category);
        if entries().count() > ENTRIES_MAX
            || entries().any(|e| e.trim().is_empty() || e.chars().count() > 200)
        {
            return Err(RuleError::Entries);
        }
        match self.pays {
            Pays::Percent(rate, _) | Pays::Volume(_, rate) => {
                let (numerator, denominator) = rate.fraction();
                let fits =
                    numerator >= 0 && numerator <= 100 * denominator && denominator <= RATE_SCALE;
                if fits { Ok(()) } else { Err(RuleError::Rate(rate)) }
            }
            Pays::PerSale(amount) | Pays::PerLead(amount) | Pays::PerClick(amount) => {
                match amount.to_minor(currency) {
                    Ok(0..=AMOUNT_MAX) if !amount.is_negative() => Ok(()),
                    _ => Err(RuleError::Amount(amount)),
                }
            }
        }
    }

    fn describe(&self) -> String {
        let what = match &self.pays {
            Pays::Percent(rate, Base::NetGoods) => format!("{rate} % of net goods"),
            Pays::PerSale(amount) => format!("{amount} per sale"),
            Pays::PerLead(amount) => format!("{amount} per lead"),
            Pays::PerClick(amount) => format!("{amount} per billable click"),
            Pays::Volume(orders, rate) => {
                format!("{rate} % more on the month's net goods from {orders} orders")
            }
        };
        format!("{what}{}", self.when.describe())
    }

    /// Returns whether the rule counts for a line of the order. `None` stands for an order whose
    /// lines are not known.
    fn fits(&self, order: &Order, line: Option<&Line>) -> bool {
        self.when.fits_order(order) && self.when.fits_line(line)
    }

    /// Returns whether the rule counts for an order: a line fits of which something was kept.
    fn fits_any(&self, order: &Order) -> bool {
        let lines = weights(order);
        let fits =
            |(line, weight): &(Option<&Line>, i128)| *weight > 0 && self.when.fits_line(*line);
        self.when.fits_order(order) && lines.iter().any(fits)
    }
}

impl Conditions {
    fn fits_order(&self, order: &Order) -> bool {
        let is_free = order.goods_minor.map(|goods| goods == 0);
        let is_new = order.new_customer.map(|customer| customer.is_new);
        let customer = self.new_customer.is_none() || self.new_customer == is_new;
        customer && (self.free.is_none() || self.free == is_free)
    }

    fn fits_line(&self, line: Option<&Line>) -> bool {
        let named = |list: &[String], name: &Option<String>| {
            name.as_ref().is_some_and(|name| {
                list.iter().any(|e| e.trim().to_lowercase() == name.trim().to_lowercase())
            })
        };
        let product = self.product.is_empty()
            || line.is_some_and(|line| {
                named(&self.product, &line.sku) || named(&self.product, &line.product)
            });
        let category = self.category.is_empty()
            || line.is_some_and(|line| named(&self.category, &line.category));
        product && category
    }

    fn describe(&self) -> String {
        let mut texts = Vec::new();
        if !self.product.is_empty() {
            texts.push(format!("on product {}", self.product.join(" or ")));
        }
        if !self.category.is_empty() {
            texts.push(format!("in category {}", self.category.join(" or ")));
        }
        match self.new_customer {
            Some(true) => texts.push("to a new customer".to_owned()),
            Some(false) => texts.push("to an existing customer".to_owned()),
            None => {}
        }
        match self.free {
            Some(true) => texts.push("for free goods".to_owned()),
            Some(false) => texts.push("for goods that cost something".to_owned()),
            None => {}
        }
        texts.iter().map(|text| format!(" {text}")).collect()
    }
}

/// Upper bounds of what a campaign pays, in the merchant's currency.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// The most for one order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_per_order: Option<Decimal>,
    /// The most for one influencer in one month of the merchant's calendar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_per_influencer_month: Option<Decimal>,
    /// The most in total: the budget of the campaign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commission_total: Option<Decimal>,
    /// The most leads of one click.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leads_per_click: Option<u32>,
}

impl Caps {
    /// The most leads of one click where the campaign does not say it.
    pub const LEADS_PER_CLICK: u32 = 3;
    /// The largest number of leads of one click that a campaign may count.
    pub const LEADS_PER_CLICK_MAX: u32 = 10;

    /// Returns how many leads of one click count.
    pub fn leads_per_click(&self) -> u32 {
        let given = self.leads_per_click.unwrap_or(Self::LEADS_PER_CLICK);
        given.min(Self::LEADS_PER_CLICK_MAX)
    }

    /// Checks the amounts and numbers.
    ///
    /// # Errors
    /// Names the first one that is out of bounds.
    pub fn check(&self, currency: Currency) -> Result<(), RuleError> {
        if let Some(leads) = self.leads_per_click.filter(|leads| *leads > Self::LEADS_PER_CLICK_MAX)
        {
            return Err(RuleError::LeadsPerClick(leads));
        }
        let amounts = [
            self.commission_per_order,
            self.commission_per_influencer_month,
            self.commission_total,
        ];
        amounts.into_iter().flatten().try_for_each(|amount| match amount.to_minor(currency) {
            Ok(0..=AMOUNT_MAX) if !amount.is_negative() => Ok(()),
            _ => Err(RuleError::Amount(amount)),
        })
    }
}

/// Returns a bound in minor units; `None` where there is no bound.
pub fn bound_minor(bound: Option<Decimal>, currency: Currency) -> Option<i64> {
    bound.and_then(|bound| bound.to_minor(currency).ok())
}
