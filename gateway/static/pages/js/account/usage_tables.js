// @ts-check
/** Tables of usage: by day, which is also how people read the chart who do not see it, and by what it was used for. */
import { html } from "../ui.js";
import { formatDate, formatNumber, language, t } from "../words.js";

/** @typedef {import("./usage.js").UsageRow} UsageRow */

/** @param {number} cost @param {string} currency */
export function formatCost(cost, currency) {
  return new Intl.NumberFormat(language, { style: "currency", currency, maximumSignificantDigits: 3 }).format(cost);
}

/** @param {string} day */
export function formatDay(day) {
  return formatDate(`${day}T00:00:00Z`, { dateStyle: "medium", timeZone: "UTC" });
}

/** @param {{rows: (UsageRow & {day: string})[], currency: string}} props the newest day comes first */
export function DayTable({ rows, currency }) {
  const used = rows.filter((row) => row.requests > 0).reverse();
  return html`<${UsageTable} caption=${t("Usage by day")} head=${t("Day")} currency=${currency}
    rows=${used.map((row) => ({ name: formatDay(row.day), ...row }))} />`;
}

/** @param {{group: "model" | "key" | "endpoint", rows: UsageRow[], currency: string, models: Record<string, string>}} props */
export function GroupTable({ group, rows, currency, models }) {
  const heads = { model: t("Model"), key: t("API key"), endpoint: t("Kind of request") };
  const captions = { model: t("Usage by model"), key: t("Usage by key"), endpoint: t("Usage by kind of request") };
  const named = rows.map((row) => ({ name: nameOf(group, row, models), ...row }));
  named.sort((a, b) => b.total_tokens - a.total_tokens || b.requests - a.requests);
  return html`<${UsageTable} caption=${captions[group]} head=${heads[group]} rows=${named} currency=${currency} />`;
}

/** @param {"model" | "key" | "endpoint"} group @param {UsageRow} row @param {Record<string, string>} models */
function nameOf(group, row, models) {
  if (group === "model") return models[row.model ?? ""] ?? (row.model || t("None was reached"));
  if (group === "key") return row.key_name || t("No key: signed in");
  if (row.endpoint === "title") return t("Automatic titles");
  return row.endpoint || t("Unknown");
}

/** @param {{caption: string, head: string, rows: (UsageRow & {name: string})[], currency: string}} props */
function UsageTable({ caption, head, rows, currency }) {
  const hasCost = rows.some((row) => row.cost > 0);
  return html`<div class="table-frame" role="region" aria-label=${caption} tabindex="0"><table>
    <caption class="visually-hidden">${caption}</caption>
    <thead><tr>
      <th scope="col">${head}</th>
      <th scope="col" class="number">${t("Requests")}</th>
      <th scope="col" class="number">${t("Tokens read")}</th>
      <th scope="col" class="number">${t("Tokens written")}</th>
      ${hasCost && html`<th scope="col" class="number">${t("Cost")}</th>`}
    </tr></thead>
    <tbody>
      ${rows.map((row) => html`<tr key=${row.name}>
        <th scope="row">${row.name}</th>
        <td class="number">${formatNumber(row.requests)}</td>
        <td class="number">${formatNumber(row.prompt_tokens)}</td>
        <td class="number">${formatNumber(row.completion_tokens)}</td>
        ${hasCost && html`<td class="number">${formatCost(row.cost, currency)}</td>`}
      </tr>`)}
    </tbody>
  </table></div>`;
}
