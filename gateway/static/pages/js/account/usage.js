// @ts-check
/** What the account used: by day as a chart, and by model, key or kind of request as a table. */
import { html, useState } from "../ui.js";
import { askJson } from "../api.js";
import { formatNumber, t, tn } from "../words.js";
import { downloadFrom } from "./downloads.js";
import { FormEnd, useSubmission } from "./form.js";
import { useLoaded } from "./loading.js";
import { Section, Waiting } from "./section.js";
import { UsageChart } from "./usage_chart.js";
import { fillDays, rangeOf } from "./usage_days.js";
import { DayTable, GroupTable, formatCost } from "./usage_tables.js";

/**
 * @typedef {object} UsageSums
 * @property {number} requests
 * @property {number} failed
 * @property {number} cancelled
 * @property {number} prompt_tokens
 * @property {number} completion_tokens
 * @property {number} total_tokens
 * @property {number} estimated_tokens
 * @property {number | null} mean_latency_ms
 * @property {number | null} mean_ttft_ms
 * @property {number} cost
 */

/** @typedef {UsageSums & {day?: string, model?: string, key_id?: string | null, key_name?: string, endpoint?: string}} UsageRow */
/** @typedef {{from: string, to: string, currency: string, data: UsageRow[], totals: UsageSums}} UsageReport */

const RANGES = [7, 30, 90];

/**
 * @param {number} days
 * @param {string} groups
 */
function pathOf(days, groups) {
  return `/api/usage?${new URLSearchParams({ ...rangeOf(days), group_by: groups })}`;
}

export function Usage() {
  const [days, setDays] = useState(30);
  const { data, error, reload } = useLoaded(
    () => /** @type {Promise<UsageReport>} */ (askJson("GET", pathOf(days, "day"))),
    [days],
  );
  return html`<${Section} id="usage" title=${t("Usage")} intro=${t("What you used, on these pages and with your keys. Days are counted in UTC.")}>
    <div class="usage-head">
      <${RangeChoice} days=${days} onChange=${setDays} />
      <${CsvDownload} days=${days} />
    </div>
    ${(error || !data) && html`<${Waiting} error=${error} reload=${reload} />`}
    ${data && html`<${UsageByDay} report=${data} />`}
    ${data && data.totals.requests > 0 && html`<${UsageByGroup} days=${days} />`}
  </${Section}>`;
}

/** @param {{days: number, onChange: (days: number) => void}} props */
function RangeChoice({ days, onChange }) {
  return html`<fieldset class="choice">
    <legend class="visually-hidden">${t("Range")}</legend>
    <div class="choice-row">
      ${RANGES.map((range) => html`<label class="choice-item" key=${range}>
        <input type="radio" name="range" checked=${range === days} onChange=${() => onChange(range)} />
        <span>${tn("{count} day", "{count} days", range)}</span>
      </label>`)}
    </div>
  </fieldset>`;
}

/** @param {{days: number}} props */
function CsvDownload({ days }) {
  const form = useSubmission(() => downloadFrom(`${pathOf(days, "day,model,key")}&format=csv`, `usage-${rangeOf(days).to}.csv`));
  return html`<form onSubmit=${form.submit}><${FormEnd} submission=${form} label=${t("Download CSV")} isPlain /></form>`;
}

/** @param {{report: UsageReport}} props */
function UsageByDay({ report }) {
  const { totals, currency } = report;
  const rows = fillDays(report);
  if (!totals.requests) return html`<p class="empty">${t("Nothing was used in this time.")}</p>`;
  const facts = [
    { name: t("Requests"), value: formatNumber(totals.requests) },
    { name: t("Tokens read"), value: formatNumber(totals.prompt_tokens) },
    { name: t("Tokens written"), value: formatNumber(totals.completion_tokens) },
    totals.mean_ttft_ms !== null && { name: t("First token after"), value: t("{seconds} s", { seconds: seconds(totals.mean_ttft_ms) }) },
    totals.cost > 0 && { name: t("Cost"), value: formatCost(totals.cost, currency) },
  ];
  return html`<dl class="facts">
      ${facts.map((fact) => fact && html`<div key=${fact.name}><dt>${fact.name}</dt><dd>${fact.value}</dd></div>`)}
    </dl>
    ${totals.failed > 0 && html`<p class="hint">
      ${tn("{count} of the requests failed or was refused.", "{count} of the requests failed or were refused.", totals.failed)}
    </p>`}
    ${totals.estimated_tokens > 0 && html`<p class="hint">
      ${tn(
        "{count} token is an estimate, as its engine did not count.",
        "{count} tokens are estimates, as their engine did not count.",
        totals.estimated_tokens,
      )}
    </p>`}
    <${UsageChart} rows=${rows} />
    <details class="more">
      <summary>${t("Numbers by day")}</summary>
      <${DayTable} rows=${rows} currency=${currency} />
    </details>`;
}

/** @param {number} ms */
function seconds(ms) {
  return formatNumber(ms / 1000, { maximumFractionDigits: ms < 10_000 ? 2 : 0 });
}

/** @param {{days: number}} props */
function UsageByGroup({ days }) {
  const [group, setGroup] = useState(/** @type {"model" | "key" | "endpoint"} */ ("model"));
  const { data, error, reload } = useLoaded(
    async () => {
      const [report, models] = await Promise.all([askJson("GET", pathOf(days, group)), group === "model" ? nameModels() : {}]);
      return { group, report: /** @type {UsageReport} */ (report), models };
    },
    [days, group],
  );
  const names = { model: t("By model"), key: t("By key"), endpoint: t("By kind of request") };
  return html`<fieldset class="choice usage-groups">
      <legend class="visually-hidden">${t("Table")}</legend>
      <div class="choice-row">
        ${/** @type {("model" | "key" | "endpoint")[]} */ (["model", "key", "endpoint"]).map((name) => html`<label class="choice-item" key=${name}>
          <input type="radio" name="group" checked=${name === group} onChange=${() => setGroup(name)} />
          <span>${names[name]}</span>
        </label>`)}
      </div>
    </fieldset>
    ${(error || !data) && html`<${Waiting} error=${error} reload=${reload} />`}
    ${data && html`<${GroupTable} group=${data.group} rows=${data.report.data} currency=${data.report.currency} models=${data.models} />`}`;
}

/** What the chat page calls each model; nothing where it cannot be had. @returns {Promise<Record<string, string>>} */
async function nameModels() {
  try {
    const { profiles } = await askJson("GET", "/api/models/profiles");
    return Object.fromEntries(profiles.map((/** @type {{id: string, name: string}} */ profile) => [profile.id, profile.name]));
  } catch {
    return {};
  }
}
