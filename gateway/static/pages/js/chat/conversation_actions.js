// @ts-check
/** What a reader does with a conversation. The list shows it at once; what is refused is taken back and said. */
import { ask, askJson } from "../api.js";
import { t } from "../words.js";
import { applyConversation, dropConversation, opened } from "./conversations.js";
import { askToConfirm } from "./dialogs.js";
import { announceChange, announceRemoval } from "./other_tabs.js";
import { showError, showToast } from "./toasts.js";

/** @typedef {import("./conversations.js").Conversation} Conversation */
/** @typedef {Partial<Pick<Conversation, "title" | "pinned" | "archived" | "folder_id">>} Changes */

const SHORT_TITLE = 40;

/** @param {Conversation} conversation */
export function titleOf(conversation) {
  return conversation.title || t("New conversation");
}

/** Enough to know it by. @param {Conversation} conversation */
export function shortTitleOf(conversation) {
  const characters = [...titleOf(conversation)];
  return characters.length > SHORT_TITLE ? `${characters.slice(0, SHORT_TITLE).join("")}…` : characters.join("");
}

/** @param {string} id @param {string} [rest] */
function pathOf(id, rest = "") {
  return `/api/conversations/${id}${rest}`;
}

/**
 * @param {Conversation} conversation
 * @param {Changes} changes
 * @returns {Promise<boolean>} whether it was done
 */
export async function changeConversation(conversation, changes) {
  applyConversation({ ...conversation, ...changes });
  try {
    applyConversation(await askJson("PATCH", pathOf(conversation.id), { body: changes }));
    announceChange(conversation.id);
    return true;
  } catch (error) {
    applyConversation(conversation);
    showError(error, () => changeConversation(conversation, changes));
    return false;
  }
}

/** @param {Conversation} conversation @param {boolean} archived */
export async function archiveConversation(conversation, archived) {
  if (!(await changeConversation(conversation, { archived }))) return;
  const undo = () => void changeConversation({ ...conversation, archived }, { archived: !archived });
  const words = { title: shortTitleOf(conversation) };
  const text = archived ? t("“{title}” is in the archive.", words) : t("“{title}” is out of the archive.", words);
  showToast(text, { action: { label: t("Undo"), run: undo } });
}

/** @param {Conversation} conversation */
export async function deleteConversation(conversation) {
  const wasOpen = opened.value?.id === conversation.id;
  applyConversation({ ...conversation, deleted_at: new Date().toISOString() });
  try {
    await ask("DELETE", pathOf(conversation.id));
  } catch (error) {
    applyConversation(conversation);
    showError(error, () => deleteConversation(conversation));
    return;
  }
  announceRemoval(conversation.id);
  if (wasOpen) location.hash = "";
  const undo = async () => {
    const isBack = await restoreConversation(conversation);
    if (isBack && wasOpen) location.hash = conversation.id;
  };
  showToast(t("“{title}” is in the trash.", { title: shortTitleOf(conversation) }), { action: { label: t("Undo"), run: undo } });
}

/** @param {Conversation} conversation @returns {Promise<boolean>} whether it was done */
export async function restoreConversation(conversation) {
  try {
    applyConversation(await askJson("POST", pathOf(conversation.id, "/restore")));
    announceChange(conversation.id);
    return true;
  } catch (error) {
    showError(error, () => restoreConversation(conversation));
    return false;
  }
}

/** @param {Conversation} conversation one that is in the trash */
export async function removeConversation(conversation) {
  const isSure = await askToConfirm({
    title: t("Delete “{title}” for good?", { title: titleOf(conversation) }),
    text: t("Its messages are removed at once. This cannot be undone."),
    action: t("Delete for good"),
    isDanger: true,
  });
  if (!isSure) return;
  try {
    await ask("DELETE", pathOf(conversation.id, "?permanently=true"));
    dropConversation(conversation.id);
    announceRemoval(conversation.id);
  } catch (error) {
    showError(error, () => removeConversation(conversation));
  }
}

/** @param {Conversation} conversation */
export async function duplicateConversation(conversation) {
  try {
    const copy = await askJson("POST", pathOf(conversation.id, "/duplicate"), { body: {} });
    applyConversation(copy);
    announceChange(copy.id);
    location.hash = copy.id;
  } catch (error) {
    showError(error, () => duplicateConversation(conversation));
  }
}

/** @param {Conversation} conversation @param {"md" | "json"} format */
export async function exportConversation(conversation, format) {
  try {
    const response = await ask("GET", pathOf(conversation.id, `/export?format=${format}`));
    saveFile(await response.blob(), `${fileNameOf(titleOf(conversation))}.${format}`);
  } catch (error) {
    showError(error, () => exportConversation(conversation, format));
  }
}

/** @param {string} title without what file systems refuse */
function fileNameOf(title) {
  return title.replace(/[\\/:*?"<>|\u0000-\u001f]+/g, " ").trim().slice(0, 80) || "conversation";
}

/** @param {Blob} content @param {string} name */
function saveFile(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
