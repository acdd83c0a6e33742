// @ts-check
/** API keys: the list, and what one does with each. */
import { html, useState } from "../ui.js";
import { askJson } from "../api.js";
import { t, tn } from "../words.js";
import { ConfirmDialog, Dialog } from "./dialog.js";
import { KeyForm } from "./key_form.js";
import { KeyRow, isWorking } from "./key_row.js";
import { RotateDialog } from "./key_rotation.js";
import { ShownKey } from "./key_shown.js";
import { useLoaded } from "./loading.js";
import { Section, Waiting } from "./section.js";

/**
 * @typedef {object} ApiKey
 * @property {string} id
 * @property {string} name
 * @property {string} prefix
 * @property {import("./scopes.js").Scope[]} scopes
 * @property {string[]} models empty: every model
 * @property {string} created_at
 * @property {string | null} expires_at
 * @property {string | null} last_used_at
 * @property {string | null} revoked_at
 * @property {string | null} replaced_by
 * @property {string | null} overlap_until
 */

/** @typedef {ApiKey & {key: string}} IssuedKey */

/** @typedef {{kind: "new"} | {kind: "change" | "rotate" | "revoke", key: ApiKey}} Task what is open in a dialog */

/** @returns {Promise<ApiKey[]>} */
async function loadKeys() {
  return (await askJson("GET", "/api/keys")).data;
}

export function Keys() {
  const { data, error, reload } = useLoaded(loadKeys);
  const [task, setTask] = useState(/** @type {Task | null} */ (null));
  const [issued, setIssued] = useState(/** @type {IssuedKey | null} */ (null));
  const show = (/** @type {IssuedKey} */ key) => {
    setIssued(key);
    setTask(null);
    void reload();
  };
  const working = (data ?? []).filter(isWorking);
  const ended = (data ?? []).filter((key) => !isWorking(key));
  return html`<${Section} id="keys" title=${t("API keys")} intro=${t("For scripts, editors and other programs: they ask models in your name.")}>
    ${issued && html`<${ShownKey} issued=${issued} onClose=${() => setIssued(null)} />`}
    ${(error || !data) && html`<${Waiting} error=${error} reload=${reload} />`}
    ${data && !working.length && html`<p class="empty">${t("You have no keys yet.")}</p>`}
    <ul class="rows" aria-label=${t("API keys")}>${working.map((key) => html`<${KeyRow} key=${key.id} apiKey=${key} onTask=${setTask} />`)}</ul>
    <p class="section-end">
      <button type="button" class="is-primary" onClick=${() => setTask({ kind: "new" })}>${t("Create a key")}</button>
    </p>
    ${ended.length > 0 && html`<${EndedKeys} keys=${ended} />`}
    ${task && html`<${TaskDialog} task=${task} onIssued=${show} onChanged=${reload} onClose=${() => setTask(null)} />`}
  </${Section}>`;
}

/** @param {{keys: ApiKey[]}} props */
function EndedKeys({ keys }) {
  return html`<details class="more">
    <summary>${tn("{count} key that has ended", "{count} keys that have ended", keys.length)}</summary>
    <ul class="rows">${keys.map((key) => html`<${KeyRow} key=${key.id} apiKey=${key} />`)}</ul>
  </details>`;
}

/**
 * @param {object} props
 * @param {Task} props.task
 * @param {(key: IssuedKey) => void} props.onIssued
 * @param {() => Promise<void>} props.onChanged
 * @param {() => void} props.onClose
 */
function TaskDialog({ task, onIssued, onChanged, onClose }) {
  const change = async () => {
    await onChanged();
    onClose();
  };
  switch (task.kind) {
    case "new":
      return html`<${Dialog} id="new-key" title=${t("Create a key")} onClose=${onClose}>
        <${KeyForm} onIssued=${onIssued} onClose=${onClose} />
      </${Dialog}>`;
    case "change":
      return html`<${Dialog} id="change-key" title=${t("Change {name}", { name: task.key.name })} onClose=${onClose}>
        <${KeyForm} apiKey=${task.key} onChanged=${change} onClose=${onClose} />
      </${Dialog}>`;
    case "rotate":
      return html`<${RotateDialog} apiKey=${task.key} onIssued=${onIssued} onClose=${onClose} />`;
    case "revoke":
      return html`<${RevokeDialog} apiKey=${task.key} onChanged=${onChanged} onClose=${onClose} />`;
  }
}

/** @param {{apiKey: ApiKey, onChanged: () => Promise<void>, onClose: () => void}} props */
function RevokeDialog({ apiKey, onChanged, onClose }) {
  const revoke = async () => {
    await askJson("DELETE", `/api/keys/${apiKey.id}`);
    await onChanged();
  };
  return html`<${ConfirmDialog} id="revoke-key" title=${t("Revoke {name}?", { name: apiKey.name })} action=${t("Revoke key")}
    act=${revoke} onClose=${onClose}>
    <p>${t("Programs that use it are refused at once. This cannot be undone.")}</p>
  </${ConfirmDialog}>`;
}
