// @ts-check
/** A new key in place of an old one, which goes on working until every program has the new one. */
import { html, useState } from "../ui.js";
import { askJson } from "../api.js";
import { t } from "../words.js";
import { Dialog } from "./dialog.js";
import { Field, FormEnd, onText, useSubmission } from "./form.js";

/**
 * @param {object} props
 * @param {import("./keys.js").ApiKey} props.apiKey
 * @param {(key: import("./keys.js").IssuedKey) => void} props.onIssued
 * @param {() => void} props.onClose
 */
export function RotateDialog({ apiKey, onIssued, onClose }) {
  const [overlap, setOverlap] = useState("86400");
  const form = useSubmission(async () => {
    const path = `/api/keys/${apiKey.id}/rotate`;
    onIssued(await askJson("POST", path, { body: { overlap_s: Number(overlap) } }));
  });
  return html`<${Dialog} id="rotate-key" title=${t("Rotate {name}?", { name: apiKey.name })} onClose=${onClose}>
    <form onSubmit=${form.submit} onInput=${form.forget}>
      <p>${t("You get a new key that may do the same. The old one goes on working for a while, so that no program stops.")}</p>
      <${Field} id="overlap" as="select" label=${t("How long the old key goes on working")} value=${overlap} onChange=${onText(setOverlap)}>
        <option value="3600">${t("Another hour")}</option>
        <option value="86400">${t("Another day")}</option>
        <option value="604800">${t("Another week")}</option>
        <option value="0">${t("It ends at once")}</option>
      </${Field}>
      <${FormEnd} submission=${form} label=${t("Rotate key")}>
        <button type="button" onClick=${onClose}>${t("Cancel")}</button>
      </${FormEnd}>
    </form>
  </${Dialog}>`;
}
