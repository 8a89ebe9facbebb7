#!/usr/bin/env node
/**
 * The last line of .ci/run: `N passed, N failed`, and `, N skipped` where some were. The exit status
 * is 0 where something passed and nothing failed.
 *
 * usage: summary.mjs RESULTS STATUS FAILED
 *   RESULTS  what vitest's JSON reporter wrote; empty where it did not come that far
 *   STATUS   vitest's exit status
 *   FAILED   how many other checks failed
 */
import { readFileSync } from 'node:fs';

const [file, status, others] = process.argv.slice(2);

function readResults() {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Files that failed although none of their tests did: they could not be loaded, or a hook failed. */
function brokenFiles({ testResults }) {
  return testResults.filter(
    (result) =>
      result.status === 'failed' &&
      !result.assertionResults.some((test) => test.status === 'failed'),
  ).length;
}

function count() {
  const results = readResults();
  if (results === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const failed = results.numFailedTests + brokenFiles(results);
  return {
    passed: results.numPassedTests,
    // An error outside of any test fails vitest, and no test.
    failed: failed === 0 && status !== '0' ? 1 : failed,
    skipped: results.numPendingTests + results.numTodoTests,
  };
}

const { passed, failed: failedTests, skipped } = count();
const failed = failedTests + Number(others);
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
