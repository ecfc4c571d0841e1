//! The kinds of entities that the API knows.

use crate::entities;
use crate::field::Field;

/// A kind of entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Merchant,
    Influencer,
    Campaign,
    Link,
    Coupon,
    Rate,
    Hold,
    Booking,
    Token,
    Person,
}

impl Kind {
    pub const ALL: [Self; 10] = [
        Self::Merchant,
        Self::Influencer,
        Self::Campaign,
        Self::Link,
        Self::Coupon,
        Self::Rate,
        Self::Hold,
        Self::Booking,
        Self::Token,
        Self::Person,
    ];

    /// Returns the name of one entity.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Merchant => "merchant",
            Self::Influencer => "influencer",
            Self::Campaign => "campaign",
            Self::Link => "link",
            Self::Coupon => "coupon",
            Self::Rate => "rate",
            Self::Hold => "hold",
            Self::Booking => "booking",
            Self::Token => "token",
            Self::Person => "person",
        }
    }

    /// Returns the name of many, which is also their place in addresses.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Merchant => "merchants",
            Self::Influencer => "influencers",
            Self::Campaign => "campaigns",
            Self::Link => "links",
            Self::Coupon => "coupons",
            Self::Rate => "rates",
            Self::Hold => "holds",
            Self::Booking => "bookings",
            Self::Token => "tokens",
            Self::Person => "people",
        }
    }

    /// Returns the fields, in the order in which tables show them.
    pub const fn fields(self) -> &'static [Field] {
        match self {
            Self::Merchant => entities::MERCHANT,
            Self::Influencer => entities::INFLUENCER,
            Self::Campaign => entities::CAMPAIGN,
            Self::Link => entities::LINK,
            Self::Coupon => entities::COUPON,
            Self::Rate => entities::RATE,
            Self::Hold => entities::HOLD,
            Self::Booking => entities::BOOKING,
            Self::Token => entities::TOKEN,
            Self::Person => entities::PERSON,
        }
    }

    /// Returns whether rows of a CSV can make entities of this kind.
    pub const fn is_imported(self) -> bool {
        matches!(self, Self::Link | Self::Coupon | Self::Influencer | Self::Rate)
    }

    /// Returns whether an entity can be changed once it is made.
    pub const fn is_changed(self) -> bool {
        matches!(
            self,
            Self::Merchant
                | Self::Influencer
                | Self::Campaign
                | Self::Link
                | Self::Coupon
                | Self::Person
        )
    }
}
