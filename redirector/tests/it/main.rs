//! Tests of the product from outside: the real binary, over real HTTP, held to docs/api.

#![expect(clippy::unwrap_used, reason = "a test ends where something it needs is missing")]

mod acme;
mod admin;
mod admin_surface;
mod at_rest;
mod campaign_page;
mod catalog_rules;
mod channels;
mod claims;
mod clock;
mod code_visits;
mod command_line;
mod damage;
mod demo_command;
mod erase;
mod events;
mod figures;
mod first_steps;
mod inflation;
mod leads;
mod life;
mod load;
mod magento;
mod names;
mod new_customers;
mod nodes;
mod outage;
mod payouts;
mod permutations;
mod platform_libraries;
mod reconcile;
mod redirects;
mod same_figures;
mod shipping;
mod shopify;
mod spellings;
mod stop;
mod stripe;
mod support;
mod tls;
mod webhooks;
