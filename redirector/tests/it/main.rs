//! Tests of the product from outside: the real binary, over real HTTP, held to docs/api.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

mod acme;
mod admin;
mod admin_surface;
mod at_rest;
mod catalog_rules;
mod channels;
mod claims;
mod clock;
mod code_visits;
mod damage;
mod described;
mod erase;
mod events;
mod figures;
mod history;
mod inflation;
mod leads;
mod life;
mod load;
mod magento;
mod names;
mod new_customers;
mod nodes;
mod order_list;
mod outage;
mod payouts;
mod people;
mod permutations;
mod platform_libraries;
mod reconcile;
mod redirects;
mod rights;
mod same_figures;
mod sheets;
mod shipping;
mod shopify;
mod spellings;
mod stop;
mod stripe;
mod support;
mod tls;
mod webhooks;
