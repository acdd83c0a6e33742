// @ts-check
/** Links by which anybody reads a conversation. */
import { addressOf } from "../address.js";
import { html, useState } from "../ui.js";
import { askJson } from "../api.js";
import { formatDate, t } from "../words.js";
import { CopyButton } from "./copying.js";
import { ConfirmDialog } from "./dialog.js";
import { useLoaded } from "./loading.js";
import { Section, Waiting } from "./section.js";

/**
 * @typedef {object} SharedLink
 * @property {string} id
 * @property {string} conversation_id
 * @property {string} title
 * @property {string} page where people read it
 * @property {string} created_at
 * @property {string | null} expires_at
 */

/** @returns {Promise<SharedLink[]>} */
async function loadLinks() {
  return (await askJson("GET", "/api/shares")).data;
}

export function Shares() {
  const { data, error, reload } = useLoaded(loadLinks);
  const [ending, setEnding] = useState(/** @type {SharedLink | null} */ (null));
  const revoke = async () => {
    await askJson("DELETE", `/api/shares/${ending?.id}`);
    await reload();
  };
  return html`<${Section} id="shares" title=${t("Shared links")}
    intro=${t("Whoever has such a link reads the conversation up to the message that was last when you made it.")}>
    ${(error || !data) && html`<${Waiting} error=${error} reload=${reload} />`}
    ${data && !data.length && html`<p class="empty">${t("You share no conversation.")}</p>`}
    ${data && data.length > 0 && html`<ul class="rows" aria-label=${t("Shared links")}>
      ${data.map((link) => html`<${LinkRow} key=${link.id} link=${link} onRevoke=${() => setEnding(link)} />`)}
    </ul>`}
    ${ending && html`<${ConfirmDialog} id="revoke-link" title=${t("Revoke this link?")} action=${t("Revoke link")} act=${revoke}
      onClose=${() => setEnding(null)}>
      <p>${t("“{title}” can no longer be read by it. You keep the conversation.", { title: nameOf(ending) })}</p>
    </${ConfirmDialog}>`}
  </${Section}>`;
}

/** @param {SharedLink} link */
function nameOf(link) {
  return link.title || t("Untitled conversation");
}

/** @param {{link: SharedLink, onRevoke: () => void}} props */
function LinkRow({ link, onRevoke }) {
  const name = nameOf(link);
  const end = link.expires_at ? t("ends {when}", { when: formatDate(link.expires_at) }) : t("does not expire");
  return html`<li class="row">
    <div class="row-text">
      <p class="row-title"><a href=${addressOf(`/chat/#${link.conversation_id}`)}>${name}</a></p>
      <p class="hint">${t("made {when}", { when: formatDate(link.created_at) })} · ${end}</p>
    </div>
    <div class="row-buttons">
      <${CopyButton} text=${new URL(link.page, location.origin).href} name=${t("Copy link")} label=${t("the link to {name}", { name })} />
      <button type="button" class="is-danger" aria-label=${t("Revoke the link to {name}", { name })} onClick=${onRevoke}>${t("Revoke")}</button>
    </div>
  </li>`;
}
