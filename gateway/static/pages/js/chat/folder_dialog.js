// @ts-check
/** The dialog that moves a conversation to a folder. */
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { t } from "../words.js";
import { changeConversation, titleOf } from "./conversation_actions.js";
import { closeDialog, Dialog, openDialog } from "./dialogs.js";
import { createFolder, folders } from "./folders.js";
import { Icon } from "./icons.js";
import { showToast } from "./toasts.js";

/** @typedef {import("./conversations.js").Conversation} Conversation */

/** @param {Conversation} conversation */
export function chooseFolder(conversation) {
  openDialog(() => html`<${FolderDialog} conversation=${conversation} />`);
}

/** @param {Conversation} conversation @param {string | null} folderId @param {string} name */
async function move(conversation, folderId, name) {
  closeDialog();
  if (folderId === conversation.folder_id || !(await changeConversation(conversation, { folder_id: folderId }))) return;
  showToast(folderId ? t("Moved to “{name}”.", { name }) : t("Moved out of its folder."));
}

/** @param {{conversation: Conversation}} props */
function FolderDialog({ conversation }) {
  const all = useStore(folders);
  const create = async () => {
    const folder = await createFolder();
    if (folder) await move(conversation, folder.id, folder.name);
  };
  const choice = (/** @type {string | null} */ id, /** @type {string} */ name) => html`<li>
    <button type="button" class="choice" aria-pressed=${id === conversation.folder_id} onClick=${() => move(conversation, id, name)}>
      <${Icon} name=${id ? "folder" : "list"} /><span>${name}</span>${id === conversation.folder_id && html`<${Icon} name="check" />`}
    </button>
  </li>`;
  return html`<${Dialog} title=${t("Move to folder")}>
    <p class="hint">${titleOf(conversation)}</p>
    <ul class="choices">
      ${choice(null, t("No folder"))}
      ${all.map((folder) => choice(folder.id, folder.name))}
    </ul>
    <div class="dialog-actions">
      <button type="button" onClick=${create}><${Icon} name="plus" />${t("New folder…")}</button>
    </div>
  <//>`;
}
