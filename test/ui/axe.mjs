// Whether everybody can read what is on the screen, and reach it, as axe sees it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const wcag = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];

/** Axe finds nothing on the page as it is when nothing fades in any more; gives its whole report. With `every`, good practice counts too. */
export async function accessible(page, where, { every = false } = {}) {
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity).map((a) => a.finished)));
  await page.evaluate(axe);
  const found = await page.evaluate((options) => window.axe.run(options), every ? {} : { runOnly: wcag });
  assert.deepEqual(found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target} (${n.failureSummary?.split('\n')[1]?.trim()})`).join(', ')}`), [], `axe on ${where}`);
  return found;
}
