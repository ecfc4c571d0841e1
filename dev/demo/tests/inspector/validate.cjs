// Checks the HTML of pages against the standard, without a network.
//
// Standard input: {name: html}. Prints a list of faults, each with the page's name. NODE_PATH names
// the folder of the checker.
'use strict';

const { HtmlValidate, StaticConfigLoader } = require('html-validate');

const presets = ['html-validate:standard', 'html-validate:a11y', 'html-validate:document'];
// It asks for a hash at every script, but the pixel's address stays the same when the pixel changes.
const rules = { 'require-sri': 'off' };
const checker = new HtmlValidate(new StaticConfigLoader({ root: true, extends: presets, rules }));

async function faultsOf(name, html) {
  const report = await checker.validateString(html, `${name}.html`);
  const messages = report.results.flatMap(result => result.messages);
  return messages.map(found => `${name}, line ${found.line}: ${found.ruleId}: ${found.message}`);
}

async function main() {
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  const faults = [];
  for (const [name, html] of Object.entries(JSON.parse(text))) faults.push(...await faultsOf(name, html));
  console.log(JSON.stringify(faults));
}

main();
