// @ts-check
/** The days of a report of usage, which are days in UTC. */

/** @typedef {import("./usage.js").UsageRow} UsageRow */

const DAY_MS = 24 * 3600 * 1000;

/** @param {number} moment_ms */
function dayOf(moment_ms) {
  return new Date(moment_ms).toISOString().slice(0, 10);
}

/** @param {number} days that end today */
export function rangeOf(days) {
  const now = Date.now();
  return { from: dayOf(now - (days - 1) * DAY_MS), to: dayOf(now) };
}

/**
 * A row for every day: the report leaves out those on which nothing was used.
 * @param {import("./usage.js").UsageReport} report
 * @returns {(UsageRow & {day: string})[]}
 */
export function fillDays(report) {
  const known = new Map(report.data.map((row) => [row.day, row]));
  const nothing = {
    ...{ requests: 0, failed: 0, cancelled: 0, prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
    ...{ estimated_tokens: 0, mean_latency_ms: null, mean_ttft_ms: null, cost: 0 },
  };
  const rows = [];
  for (let moment = Date.parse(report.from); moment <= Date.parse(report.to); moment += DAY_MS) {
    const day = dayOf(moment);
    rows.push({ ...(known.get(day) ?? nothing), day });
  }
  return rows;
}
