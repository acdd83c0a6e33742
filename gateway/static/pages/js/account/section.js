// @ts-check
/** The parts of the page: each has a heading that the side list leads to. */
import { html } from "../ui.js";
import { t } from "../words.js";

/**
 * @param {object} props
 * @param {string} props.id
 * @param {string} props.title
 * @param {string} [props.intro] one sentence
 * @param {unknown} [props.children]
 */
export function Section({ id, title, intro, children }) {
  return html`<section id=${id} class="section" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    ${intro && html`<p class="section-intro">${intro}</p>`}
    ${children}
  </section>`;
}

/**
 * What is shown in place of data that is on its way, or did not come.
 * @param {object} props
 * @param {Error | null} props.error
 * @param {() => void} props.reload
 */
export function Waiting({ error, reload }) {
  if (!error) return html`<p class="hint" role="status">${t("Loading…")}</p>`;
  return html`<div class="notice is-error notice-row" role="alert">
    <span>${error.message}</span><button type="button" onClick=${reload}>${t("Try again")}</button>
  </div>`;
}
