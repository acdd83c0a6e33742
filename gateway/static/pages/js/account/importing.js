// @ts-check
/** Bring conversations from a file, and see what of it was taken. */
import { addressOf } from "../address.js";
import { html, useState } from "../ui.js";
import { ApiError, askJson } from "../api.js";
import { t, tn } from "../words.js";
import { FormEnd, useSubmission } from "./form.js";

/**
 * @typedef {object} ImportReport
 * @property {string | null} format
 * @property {boolean} dry_run
 * @property {{conversations: number, messages: number, files: number}} taken
 * @property {number} already_here
 * @property {{name: string, reason: string}[]} skipped the first of them
 * @property {number} skipped_count
 */

export function ImportForm() {
  const [file, setFile] = useState(/** @type {File | null} */ (null));
  const [isTrial, setTrial] = useState(false);
  const [report, setReport] = useState(/** @type {ImportReport | null} */ (null));
  const form = useSubmission(async () => {
    setReport(null);
    if (!file) throw new ApiError(t("Choose a file first."));
    setReport(await askJson("POST", `/api/conversations/import${isTrial ? "?dry_run=true" : ""}`, { body: file }));
  });
  const choose = (/** @type {Event} */ event) => {
    setFile(/** @type {HTMLInputElement} */ (event.target).files?.[0] ?? null);
    setReport(null);
  };
  return html`<form onSubmit=${form.submit} onInput=${form.forget} aria-labelledby="import-title">
    <h3 id="import-title">${t("Import conversations")}</h3>
    <p class="hint">
      ${t("From a copy of this product, or from an export of ChatGPT, Open WebUI or LibreChat: the JSON or the zip file as it is. Conversations that are here already are left out.")}
    </p>
    <label for="import-file">${t("File")}</label>
    <input id="import-file" class="file-input" type="file" accept=".json,.jsonl,.zip,application/json,application/zip" onChange=${choose} />
    <label class="choice-line">
      <input type="checkbox" checked=${isTrial} onChange=${() => setTrial(!isTrial)} />
      <span>${t("Only check what would be imported")}</span>
    </label>
    <${FormEnd} submission=${form} label=${isTrial ? t("Check file") : t("Import")} disabled=${!file} isPlain />
    ${report && html`<${Report} report=${report} />`}
  </form>`;
}

/** @param {{report: ImportReport}} props */
function Report({ report }) {
  const { taken, already_here: known, skipped, skipped_count: left } = report;
  const counts = [
    tn("{count} conversation", "{count} conversations", taken.conversations),
    tn("{count} message", "{count} messages", taken.messages),
    tn("{count} file", "{count} files", taken.files),
  ].join(", ");
  return html`<div class="notice ${left ? "is-warning" : "is-good"} import-report" role="status">
    <p><strong>${report.dry_run ? t("Would be imported: {counts}", { counts }) : t("Imported: {counts}", { counts })}</strong></p>
    ${known > 0 && html`<p>${tn("{count} conversation is here already.", "{count} conversations are here already.", known)}</p>`}
    ${left > 0 && html`<p>${tn("{count} thing was not imported:", "{count} things were not imported:", left)}</p>
      <ul>${skipped.map(({ name, reason }) => html`<li><strong>${name}</strong>: ${reason}</li>`)}</ul>
      ${left > skipped.length && html`<p>${tn("and {count} more", "and {count} more", left - skipped.length)}</p>`}`}
    ${!report.dry_run && taken.conversations > 0 && html`<p><a href=${addressOf("/chat/")}>${t("See them in the chat")}</a></p>`}
  </div>`;
}
