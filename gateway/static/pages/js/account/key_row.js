// @ts-check
/** One API key in the list. */
import { html } from "../ui.js";
import { formatDate, t } from "../words.js";
import { nameScopes } from "./scopes.js";

/** @typedef {import("./keys.js").ApiKey} ApiKey */

const SOON_MS = 7 * 24 * 3600 * 1000;

/** @param {ApiKey} key when it stops working, or did; null: never by itself */
function endOf(key) {
  const ends = [key.revoked_at, key.overlap_until, key.expires_at].filter((end) => end !== null);
  return ends.sort((a, b) => Date.parse(a) - Date.parse(b))[0] ?? null;
}

/** @param {ApiKey} key */
export function isWorking(key) {
  const end = endOf(key);
  return end === null || Date.parse(end) > Date.now();
}

/** @param {ApiKey} key */
function describeEnd(key) {
  const end = endOf(key);
  if (end === null) return t("does not expire");
  const when = formatDate(end);
  if (key.revoked_at === end) return t("revoked {when}", { when });
  if (key.overlap_until === end) {
    return isWorking(key) ? t("replaced, works until {when}", { when }) : t("replaced, ended {when}", { when });
  }
  return isWorking(key) ? t("expires {when}", { when }) : t("expired {when}", { when });
}

/** @param {{apiKey: ApiKey}} props */
function KeyState({ apiKey }) {
  const end = endOf(apiKey);
  if (apiKey.revoked_at) return html`<span class="badge is-bad">${t("Revoked")}</span>`;
  if (apiKey.replaced_by) return html`<span class="badge is-warning">${t("Replaced")}</span>`;
  if (!isWorking(apiKey)) return html`<span class="badge is-bad">${t("Expired")}</span>`;
  if (end && Date.parse(end) - Date.now() < SOON_MS) return html`<span class="badge is-warning">${t("Expires soon")}</span>`;
  return null;
}

/** @param {{apiKey: ApiKey, onTask?: (task: import("./keys.js").Task) => void}} props */
export function KeyRow({ apiKey, onTask }) {
  const { name, prefix, scopes, models } = apiKey;
  const used = apiKey.last_used_at ? t("last used {when}", { when: formatDate(apiKey.last_used_at) }) : t("never used");
  return html`<li class="row">
    <div class="row-text">
      <p class="row-title">${name} <code class="prefix">${prefix}…</code> <${KeyState} apiKey=${apiKey} /></p>
      <p class="hint">${t("May: {scopes}", { scopes: nameScopes(scopes) })} · ${models.length ? models.join(", ") : t("every model")}</p>
      <p class="hint">${describeEnd(apiKey)} · ${used}</p>
    </div>
    ${onTask && html`<div class="row-buttons">
      <button type="button" aria-label=${t("Change {name}", { name })}
        onClick=${() => onTask({ kind: "change", key: apiKey })}>${t("Change")}</button>
      ${!apiKey.replaced_by && html`<button type="button" aria-label=${t("Rotate {name}", { name })}
        onClick=${() => onTask({ kind: "rotate", key: apiKey })}>${t("Rotate")}</button>`}
      <button type="button" class="is-danger" aria-label=${t("Revoke {name}", { name })}
        onClick=${() => onTask({ kind: "revoke", key: apiKey })}>${t("Revoke")}</button>
    </div>`}
  </li>`;
}
