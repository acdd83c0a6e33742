// @ts-check
/** Take everything along, bring conversations here, or leave. */
import { html, useState } from "../ui.js";
import { useStore } from "../store.js";
import { t } from "../words.js";
import { account } from "./account.js";
import { useCopyDownload } from "./downloads.js";
import { FormEnd } from "./form.js";
import { ImportForm } from "./importing.js";
import { LeaveDialog } from "./leaving.js";
import { Section } from "./section.js";

export function MyData() {
  return html`<${Section} id="data" title=${t("My data")} intro=${t("Everything here is yours: take it along, or bring more.")}>
    <${CopyForm} />
    <hr />
    <${ImportForm} />
    <hr />
    <${Leaving} />
  </${Section}>`;
}

function CopyForm() {
  const form = useCopyDownload();
  return html`<form onSubmit=${form.submit} aria-labelledby="copy-title">
    <h3 id="copy-title">${t("A copy of everything")}</h3>
    <p class="hint">${t("Conversations with all their branches, files, prompts, usage and settings, as a zip file.")}</p>
    <${FormEnd} submission=${form} label=${t("Download my data")} done=${t("Done: see your browser's downloads.")} isPlain />
  </form>`;
}

function Leaving() {
  const me = useStore(account);
  const [isOpen, setOpen] = useState(false);
  if (!me.has_password)
    return html`<h3>${t("Delete my account")}</h3>
      <p class="hint">${t("Ask an administrator to delete your account. Download your data first.")}</p>`;
  return html`<h3>${t("Delete my account")}</h3>
    <p class="hint">${t("Your conversations, files, keys and settings are removed for good.")}</p>
    <p class="section-end"><button type="button" class="is-danger" onClick=${() => setOpen(true)}>${t("Delete my account…")}</button></p>
    ${isOpen && html`<${LeaveDialog} onClose=${() => setOpen(false)} />`}`;
}
