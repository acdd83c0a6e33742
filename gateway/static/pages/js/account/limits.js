// @ts-check
/** What the account may use, and what is left of it. */
import { html, useEffect, useLayoutEffect, useRef, useState } from "../ui.js";
import { readLimits } from "../limits_left.js";
import { useStore } from "../store.js";
import { formatDate, formatNumber, t, tn } from "../words.js";
import { account, loadAccount } from "./account.js";
import { Section } from "./section.js";

const DAY_S = 86_400;
const LOOK_AGAIN_MS = 5000;
/** Below this share of a limit the meter says so by its colour, beside the number. */
const LOW_SHARE = 0.2;

/** @typedef {import("./account.js").Allowance} Allowance */
/** @typedef {{remaining: number, about: string}} Rest what is left, and what to know about that */

/** @param {number} window_s */
function nameWindow(window_s) {
  const named = /** @type {[number, (count: number) => string][]} */ ([
    [DAY_S, (count) => tn("per day", "in {count} days", count)],
    [3600, (count) => tn("per hour", "in {count} hours", count)],
    [60, (count) => tn("per minute", "in {count} minutes", count)],
    [1, (count) => tn("per second", "in {count} seconds", count)],
  ]);
  const [unit, name] = named.find(([seconds]) => window_s % seconds === 0) ?? named[3];
  return name(window_s / unit);
}

/** @param {number} moment_ms */
function nameReset(moment_ms) {
  const wait_s = Math.ceil((moment_ms - Date.now()) / 1000);
  if (wait_s < 90) return tn("full again in {count} second", "full again in {count} seconds", wait_s);
  if (wait_s < 5400) return tn("full again in {count} minute", "full again in {count} minutes", Math.ceil(wait_s / 60));
  return t("full again {when}", { when: formatDate(new Date(moment_ms).toISOString()) });
}

/**
 * From the last answer in this tab, else from the day's use where the limit is for a day.
 * @param {"requests" | "tokens"} kind
 * @param {Allowance} allowance
 * @param {number} usedToday
 * @returns {Rest | null} null where nothing is known
 */
function findRest(kind, allowance, usedToday) {
  const left = readLimits()[kind];
  if (left && left.limit === allowance.limit) {
    if (left.resetsAt > Date.now()) return { remaining: left.remaining, about: nameReset(left.resetsAt) };
    // Whatever was used since then, elsewhere, is not known.
    if (allowance.window_s !== DAY_S) return { remaining: left.limit, about: t("a new window begins with your next request") };
  }
  if (allowance.window_s !== DAY_S) return null;
  const remaining = Math.max(0, allowance.limit - usedToday);
  return { remaining, about: t("estimated from today's use; the 24 hours begin with your first request") };
}

export function Limits() {
  const { limits, usage_today: today } = useStore(account);
  const [, look] = useState(0);
  useEffect(() => {
    // What was used in another tab, and seconds that go by.
    const timer = setInterval(() => look((count) => count + 1), LOOK_AGAIN_MS);
    const refresh = () => document.visibilityState === "visible" && void loadAccount().catch(() => {});
    document.addEventListener("visibilitychange", refresh);
    return () => {
      clearInterval(timer);
      document.removeEventListener("visibilitychange", refresh);
    };
  }, []);
  const tokens = today.prompt_tokens + today.completion_tokens;
  const requests = tn("{count} request", "{count} requests", today.requests);
  return html`<${Section} id="limits" title=${t("Limits")} intro=${t("How much you may use. An administrator can change it.")}>
    <dl class="limits">
      <${Limit} kind="requests" name=${t("Requests")} allowance=${limits.requests} used=${today.requests} />
      <${Limit} kind="tokens" name=${t("Tokens")} allowance=${limits.tokens} used=${tokens} />
      <div class="limit">
        <dt>${t("At a time")}</dt>
        <dd>${limits.streams ? tn("{count} answer", "{count} answers", limits.streams.limit) : t("No limit")}</dd>
      </div>
      <div class="limit">
        <dt>${t("Used today")}</dt>
        <dd>
          ${requests}, ${tn("{count} token", "{count} tokens", tokens)}
          <p class="hint">${t("A day here is one in UTC. It began {when}.", { when: formatDate(`${today.day}T00:00:00Z`) })}</p>
        </dd>
      </div>
    </dl>
  </${Section}>`;
}

/**
 * @param {object} props
 * @param {"requests" | "tokens"} props.kind
 * @param {string} props.name
 * @param {Allowance | null} props.allowance
 * @param {number} props.used today
 */
function Limit({ kind, name, allowance, used }) {
  if (!allowance) return html`<div class="limit"><dt>${name}</dt><dd>${t("No limit")}</dd></div>`;
  const rest = findRest(kind, allowance, used);
  return html`<div class="limit">
    <dt>${name}</dt>
    <dd>
      ${t("{count} {window}", { count: formatNumber(allowance.limit), window: nameWindow(allowance.window_s ?? 1) })}
      ${rest && html`<${Meter} label=${name} value=${rest.remaining} max=${allowance.limit} />`}
      <p class="hint">${rest
        ? `${t("{count} left", { count: formatNumber(rest.remaining) })} · ${rest.about}`
        : t("What is left is known after your next answer in this tab.")}</p>
    </dd>
  </div>`;
}

/** @param {{label: string, value: number, max: number}} props */
function Meter({ label, value, max }) {
  const bar = useRef(/** @type {HTMLElement | null} */ (null));
  const share = max ? Math.min(1, value / max) : 0;
  // The policy of the page forbids style attributes.
  useLayoutEffect(() => bar.current?.style.setProperty("--share", `${100 * share}%`), [share]);
  const text = t("{left} of {limit} left", { left: formatNumber(value), limit: formatNumber(max) });
  return html`<div class="meter ${share < LOW_SHARE ? "is-low" : ""}" role="meter" aria-label=${label} aria-valuemin="0"
    aria-valuemax=${max} aria-valuenow=${value} aria-valuetext=${text}><span ref=${bar}></span></div>`;
}
