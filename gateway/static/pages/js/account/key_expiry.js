// @ts-check
/** When a key ends by itself. */
import { html } from "../ui.js";
import { formatDate, t } from "../words.js";
import { Field, onText } from "./form.js";

const DAY_MS = 24 * 3600 * 1000;

/**
 * The end that was chosen: null for never, undefined for no change.
 * @param {string} choice "keep", "never", "date", or a number of days
 * @param {string} date of the reader's calendar, for "date"
 * @returns {string | null | undefined}
 */
export function endOfChoice(choice, date) {
  if (choice === "keep") return undefined;
  if (choice === "never") return null;
  // The end of that day, where the reader is.
  if (choice === "date") return new Date(`${date}T23:59:59`).toISOString();
  return new Date(Date.now() + Number(choice) * DAY_MS).toISOString();
}

/** Today, as a date field takes it. */
function today() {
  const now = new Date();
  const pad = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return `${now.getFullYear()}-${pad(now.getMonth() + 1)}-${pad(now.getDate())}`;
}

/**
 * @param {object} props
 * @param {string} props.value
 * @param {string} props.date
 * @param {string | null} [props.current] of the key that is changed
 * @param {boolean} props.isNew
 * @param {string} [props.problem]
 * @param {(value: string) => void} props.onChange
 * @param {(date: string) => void} props.onDate
 */
export function ExpiryField({ value, date, current, isNew, problem, onChange, onDate }) {
  const now = current ? t("As now: {when}", { when: formatDate(current) }) : t("As now: never");
  return html`<div class="field-pair">
    <${Field} id="key-expiry" as="select" label=${t("Expires")} value=${value} onChange=${onText(onChange)} problem=${problem}>
      ${!isNew && html`<option value="keep">${now}</option>`}
      <option value="30">${t("In 30 days")}</option>
      <option value="90">${t("In 90 days")}</option>
      <option value="365">${t("In a year")}</option>
      <option value="date">${t("On a day…")}</option>
      <option value="never">${t("Never")}</option>
    </${Field}>
    ${value === "date" && html`<${Field} id="key-date" type="date" label=${t("Last day")} required min=${today()} value=${date}
      onInput=${onText(onDate)} />`}
  </div>`;
}
