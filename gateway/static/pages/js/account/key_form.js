// @ts-check
/** What a key is called and what it may do: for a new one, and to change one. */
import { html, useState } from "../ui.js";
import { askJson } from "../api.js";
import { t } from "../words.js";
import { Field, FormEnd, onText, useSubmission } from "./form.js";
import { ExpiryField, endOfChoice } from "./key_expiry.js";
import { useLoaded } from "./loading.js";
import { listScopes } from "./scopes.js";

/** @typedef {import("./scopes.js").Scope} Scope */

/** @returns {Promise<string[]>} the names that keys are bound to, of all models that may be asked */
async function loadModelNames() {
  const [profiles, served] = await Promise.all([askJson("GET", "/api/models/profiles"), askJson("GET", "/v1/models")]);
  const names = [
    ...profiles.profiles.map((/** @type {{served_model_name: string}} */ profile) => profile.served_model_name),
    // An alias names the model that it stands for.
    ...served.data.map((/** @type {{id: string, parent?: string}} */ card) => (card.id === "current" && card.parent) || card.id),
  ];
  return [...new Set(names)].sort();
}

/**
 * @param {object} props
 * @param {import("./keys.js").ApiKey} [props.apiKey] the one that is changed
 * @param {(key: import("./keys.js").IssuedKey) => void} [props.onIssued]
 * @param {() => Promise<void>} [props.onChanged]
 * @param {() => void} props.onClose
 */
export function KeyForm({ apiKey, onIssued, onChanged, onClose }) {
  const [name, setName] = useState(apiKey?.name ?? "");
  const [scopes, setScopes] = useState(/** @type {Scope[]} */ (apiKey?.scopes ?? ["chat", "models:read"]));
  const [models, setModels] = useState(apiKey?.models ?? []);
  const [expiry, setExpiry] = useState(apiKey ? "keep" : "90");
  const [date, setDate] = useState("");
  const form = useSubmission(async () => {
    const end = endOfChoice(expiry, date);
    const body = { name: name.trim(), scopes, models, ...(end === undefined ? {} : { expires_at: end }) };
    if (!apiKey) return onIssued?.(await askJson("POST", "/api/keys", { body }));
    await askJson("PATCH", `/api/keys/${apiKey.id}`, { body });
    await onChanged?.();
  });
  return html`<form onSubmit=${form.submit} onInput=${form.forget}>
    <${Field} id="key-name" label=${t("Name")} required maxlength="100" value=${name} onInput=${onText(setName)}
      hint=${t("Where it is used, such as “Laptop, VS Code”.")} problem=${form.problemOf("name")} />
    <${ScopeChoice} chosen=${scopes} onChange=${setScopes} />
    <${ModelChoice} chosen=${models} onChange=${setModels} />
    <${ExpiryField} value=${expiry} date=${date} current=${apiKey?.expires_at} isNew=${!apiKey}
      onChange=${setExpiry} onDate=${setDate} problem=${form.problemOf("expires_at")} />
    <${FormEnd} submission=${form} label=${apiKey ? t("Save key") : t("Create key")} disabled=${!scopes.length}
      fields=${["name", "expires_at"]}>
      <button type="button" onClick=${onClose}>${t("Cancel")}</button>
    </${FormEnd}>
  </form>`;
}

/**
 * @template T
 * @param {T[]} chosen
 * @param {T} item
 */
function toggle(chosen, item) {
  return chosen.includes(item) ? chosen.filter((other) => other !== item) : [...chosen, item];
}

/** @param {{chosen: Scope[], onChange: (scopes: Scope[]) => void}} props */
function ScopeChoice({ chosen, onChange }) {
  return html`<fieldset class="choice">
    <legend>${t("What it may do")}</legend>
    ${listScopes().map(({ scope, name, about }) => html`<label class="choice-line" key=${scope}>
      <input type="checkbox" checked=${chosen.includes(scope)} onChange=${() => onChange(toggle(chosen, scope))} />
      <span><strong>${name}</strong> <span class="hint">${about}</span></span>
    </label>`)}
    ${!chosen.length && html`<p class="problem" role="alert">${t("Choose at least one.")}</p>`}
  </fieldset>`;
}

/** @param {{chosen: string[], onChange: (models: string[]) => void}} props */
function ModelChoice({ chosen, onChange }) {
  const { data, error } = useLoaded(loadModelNames);
  const names = [...new Set([...(data ?? []), ...chosen])].sort();
  return html`<details class="choice more" open=${chosen.length > 0}>
    <summary>${t("Models")}: ${chosen.length ? chosen.join(", ") : t("every model")}</summary>
    <p class="hint">${t("Choose some to keep the key to them. With none chosen it may ask every model.")}</p>
    ${error && html`<p class="problem">${error.message}</p>`}
    <div class="choice-list">
      ${names.map((name) => html`<label class="choice-line" key=${name}>
        <input type="checkbox" checked=${chosen.includes(name)} onChange=${() => onChange(toggle(chosen, name))} />
        <span>${name}</span>
      </label>`)}
    </div>
  </details>`;
}
