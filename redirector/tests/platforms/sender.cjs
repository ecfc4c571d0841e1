// Signs webhooks with Shopify's and Stripe's own libraries, sends them, and prints what was
// answered.
//
// Standard input: {"base", "key", "secret", "shopify": body, "stripe": body}. NODE_PATH names the
// libraries' folder.
'use strict';

require('@shopify/shopify-api/adapters/node');
const { shopifyApi, ApiVersion, LogSeverity } = require('@shopify/shopify-api');
const { createSHA256HMAC } = require('@shopify/shopify-api/runtime');
const Stripe = require('stripe');

async function post(task, platform, headers, body) {
  const answer = await fetch(`${task.base}/_ac/hooks/${platform}/${task.key}`, { method: 'POST', headers, body });
  return answer.status;
}

/** Headers as Shopify's library makes and accepts them. */
async function shopifyHeaders(secret, body) {
  const headers = {
    'content-type': 'application/json',
    'x-shopify-topic': 'orders/paid',
    'x-shopify-shop-domain': 'shop.myshopify.com',
    'x-shopify-api-version': '2026-01',
    'x-shopify-webhook-id': 'b54557e4-bdd9-4b37-8a5f-bf7d70bcd043',
    'x-shopify-hmac-sha256': await createSHA256HMAC(secret, body),
  };
  const api = shopifyApi({
    apiKey: 'key', apiSecretKey: secret, hostName: 'app.test', apiVersion: Object.values(ApiVersion).at(-1),
    isEmbeddedApp: false, logger: { level: LogSeverity.Error },
  });
  const rawRequest = { method: 'POST', url: '/', headers };
  const checked = await api.webhooks.validate({ rawBody: body, rawRequest, rawResponse: {} });
  if (!checked.valid) throw new Error(`Shopify's library refuses its own signature: ${checked.reason}`);
  return headers;
}

function stripeHeaders(secret, payload, timestamp) {
  const header = Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
  return { 'content-type': 'application/json', 'stripe-signature': header };
}

async function main() {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  const task = JSON.parse(text);
  const now = Math.floor(Date.now() / 1000);
  const answers = {
    shopify: await post(task, 'shopify', await shopifyHeaders(task.secret, task.shopify), task.shopify),
    shopify_wrong: await post(task, 'shopify', await shopifyHeaders('guessed', task.shopify), task.shopify),
    stripe: await post(task, 'stripe', stripeHeaders(task.secret, task.stripe, now), task.stripe),
    stripe_wrong: await post(task, 'stripe', stripeHeaders('guessed', task.stripe, now), task.stripe),
    stripe_stale: await post(task, 'stripe', stripeHeaders(task.secret, task.stripe, now - 600), task.stripe),
  };
  console.log(JSON.stringify(answers));
}

main();
