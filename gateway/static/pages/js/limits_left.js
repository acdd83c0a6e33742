// @ts-check
/**
 * What was left of the account's limits after the last answer, as its x-ratelimit headers said: the one place where
 * the server tells it. Kept for the tab, so that the account page knows what the chat page learnt.
 */

const KEPT = "limits-left";
const OWNER = "limits-left-of";

/** @typedef {{limit: number, remaining: number, resetsAt: number}} Left `resetsAt` in milliseconds */
/** @typedef {{requests?: Left, tokens?: Left}} LimitsLeft */

/** @type {("requests" | "tokens")[]} */
const KINDS = ["requests", "tokens"];
const UNIT_MS = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

/** @param {string} text as OpenAI writes durations: `120ms`, `20s`, `6m0s`, `1h0m30s` */
export function parseDuration(text) {
  let total = 0;
  for (const [, number, unit] of text.matchAll(/(\d+)(ms|h|m|s)/g)) {
    total += Number(number) * UNIT_MS[/** @type {keyof typeof UNIT_MS} */ (unit)];
  }
  return total;
}

/** @param {Headers} headers of an answer; nothing is noted where it says nothing */
export function noteLimits(headers) {
  /** @type {LimitsLeft} */
  const noted = {};
  for (const kind of KINDS) {
    const limit = headers.get(`x-ratelimit-limit-${kind}`);
    if (limit === null) continue;
    const wait = parseDuration(headers.get(`x-ratelimit-reset-${kind}`) ?? "");
    const remaining = Number(headers.get(`x-ratelimit-remaining-${kind}`));
    noted[kind] = { limit: Number(limit), remaining, resetsAt: Date.now() + wait };
  }
  if (Object.keys(noted).length) sessionStorage.setItem(KEPT, JSON.stringify({ ...readLimits(), ...noted }));
}

/** @returns {LimitsLeft} */
export function readLimits() {
  return JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
}

/**
 * Forget what another account was told in this tab, however its owner left.
 * @param {string} accessToken a JWT, whose payload names the account
 */
export function keepLimitsOf(accessToken) {
  const payload = accessToken.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  const owner = JSON.parse(atob(payload)).user_id;
  if (sessionStorage.getItem(OWNER) === owner) return;
  sessionStorage.removeItem(KEPT);
  sessionStorage.setItem(OWNER, owner);
}
