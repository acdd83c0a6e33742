// @ts-check
/** What everybody has used today. */
import { addressOf } from "../address.js";
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { formatNumber, t } from "../words.js";
import { desk } from "./feed.js";

const USAGE_PATH = addressOf("/admin/accounts/dailyusage/");
const KEYS_PATH = addressOf("/admin/accounts/apikey/");

export function UsageTodayCard() {
  const usage = useStore(desk, (parts) => parts.usage);
  if (!usage) return null;
  const compact = (/** @type {number} */ value) => formatNumber(value, value < 10_000 ? {} : { notation: "compact", maximumFractionDigits: 1 });
  const figures = [
    [compact(usage.requests), t("requests")],
    [compact(usage.prompt_tokens), t("tokens in")],
    [compact(usage.completion_tokens), t("tokens out")],
    [compact(usage.users), t("accounts")],
    [compact(usage.failed), t("failed")],
  ];
  return html`<section class="card" aria-labelledby="usage-title">
    <div class="card-head"><h2 id="usage-title">${t("Today")}</h2><span><a href=${USAGE_PATH}>${t("Usage")}</a> · <a href=${KEYS_PATH}>${t("API keys")}</a></span></div>
    <div class="figures">${figures.map(([value, name]) => html`<div class="figure"><b>${value}</b><span>${name}</span></div>`)}</div>
    <p class="quiet">${t("The day counts in UTC.")}</p>
  </section>`;
}
