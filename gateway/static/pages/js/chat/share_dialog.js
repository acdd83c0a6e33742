// @ts-check
/** The dialog about links to a conversation: make one, copy one, end one. */
import { ask, askJson } from "../api.js";
import { html, useEffect, useState } from "../ui.js";
import { formatDate, t } from "../words.js";
import { shortTitleOf } from "./conversation_actions.js";
import { Dialog, openDialog } from "./dialogs.js";
import { showError, showToast } from "./toasts.js";

/** @typedef {import("./conversations.js").Conversation} Conversation */
/** @typedef {{id: string, page: string, created_at: string, expires_at: string | null}} Link */

/** @param {Conversation} conversation */
export function openShareDialog(conversation) {
  openDialog(() => html`<${ShareDialog} conversation=${conversation} />`);
}

/** @param {Link} link */
async function copyLink(link) {
  try {
    await navigator.clipboard.writeText(new URL(link.page, location.href).href);
    showToast(t("Link copied."));
  } catch {
    // Browsers have a clipboard only on secure origins: the link stands there to be copied by hand.
    showToast(t("Copy the link by hand: this browser does not let the page do it."));
  }
}

/** @param {{conversation: Conversation}} props */
function ShareDialog({ conversation }) {
  const [links, setLinks] = useState(/** @type {Link[]} */ ([]));
  const [error, setError] = useState("");
  const path = `/api/conversations/${conversation.id}/shares`;
  const attempt = async (/** @type {() => Promise<void>} */ act) => {
    setError("");
    try {
      await act();
    } catch (refusal) {
      setError(refusal instanceof Error ? refusal.message : String(refusal));
    }
  };
  const read = async () => setLinks((await askJson("GET", path)).data);
  useEffect(() => void attempt(read), []);
  const create = () => attempt(async () => {
    const link = await askJson("POST", path, { body: {} });
    await read();
    await copyLink(link);
  });
  const end = (/** @type {Link} */ link) => attempt(async () => {
    await ask("DELETE", `/api/shares/${link.id}`).catch(showError);
    await read();
  });
  return html`<${Dialog} title=${t("Share “{title}”", { title: shortTitleOf(conversation) })}>
    <p>${t("Whoever has the link reads what was said up to now, without an account. You can end it at any time.")}</p>
    ${error && html`<p class="notice is-error" role="alert">${error}</p>`}
    <ul class="choices">${links.map((link) => html`<li class="share" key=${link.id}>
      <input type="text" readonly aria-label=${t("Link")} value=${new URL(link.page, location.href).href} />
      <span class="hint">${link.expires_at ? t("Ends {date}", { date: formatDate(link.expires_at) }) : t("Has no end")}</span>
      <button type="button" onClick=${() => copyLink(link)}>${t("Copy")}</button>
      <button type="button" class="is-danger" onClick=${() => end(link)}>${t("End link")}</button>
    </li>`)}</ul>
    <div class="dialog-actions"><button type="button" class="is-primary" onClick=${create}>${links.length ? t("Make another link and copy it") : t("Make a link and copy it")}</button></div>
  <//>`;
}
