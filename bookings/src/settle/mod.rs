//! Facts to money: what each order, lead and click earned, and when it may be paid. The rules are
//! those of `shared`; nothing here decides a second time.

pub(crate) mod click_index;
pub(crate) mod clicks;
pub(crate) mod conversion;
pub(crate) mod earning;
pub(crate) mod entry;
pub(crate) mod leads;
pub(crate) mod ledger;
pub(crate) mod openings;
pub(crate) mod page_leads;
pub(crate) mod period;
pub(crate) mod volume_and_caps;
pub(crate) mod zones;
