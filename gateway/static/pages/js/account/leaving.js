// @ts-check
/** Delete the account: asks for its name and its password, and offers a copy of everything first. */
import { addressOf } from "../address.js";
import { html, useState } from "../ui.js";
import { ask } from "../api.js";
import { useStore } from "../store.js";
import { t } from "../words.js";
import { account } from "./account.js";
import { Dialog } from "./dialog.js";
import { useCopyDownload } from "./downloads.js";
import { Field, FormEnd, onText, useSubmission } from "./form.js";

/** @param {{onClose: () => void}} props */
export function LeaveDialog({ onClose }) {
  const me = useStore(account);
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const copy = useCopyDownload();
  const form = useSubmission(async () => {
    await ask("DELETE", "/api/auth/me", { body: { password } });
    // Drafts and the like: the next person at this browser is somebody else.
    localStorage.clear();
    sessionStorage.clear();
    location.assign(addressOf("/sign-in/?deleted"));
  });
  return html`<${Dialog} id="leave" title=${t("Delete your account?")} onClose=${onClose}>
    <p>${t("Your conversations, files, keys and settings are removed for good. Nobody can bring them back.")}</p>
    <form onSubmit=${copy.submit}>
      <${FormEnd} submission=${copy} label=${t("Download my data first")} done=${t("Done: see your browser's downloads.")} isPlain />
    </form>
    <form onSubmit=${form.submit} onInput=${form.forget}>
      <${Field} id="leave-name" label=${t("Type your user name: {name}", { name: me.username })} autocomplete="off"
        autocapitalize="none" required value=${name} onInput=${onText(setName)} />
      <${Field} id="leave-password" label=${t("Password")} type="password" autocomplete="current-password" required
        value=${password} onInput=${onText(setPassword)} problem=${form.problemOf("password")} />
      <${FormEnd} submission=${form} label=${t("Delete for good")} fields=${["password"]} isDanger disabled=${name !== me.username}>
        <button type="button" onClick=${onClose}>${t("Cancel")}</button>
      </${FormEnd}>
    </form>
  </${Dialog}>`;
}
