// @ts-check
/** The reader's folders. A conversation is in one of them or in none; deleting one keeps its conversations. */
import { askJson } from "../api.js";
import { Store } from "../store.js";
import { t } from "../words.js";
import { conversations, showView, view } from "./conversations.js";
import { askForText, askToConfirm } from "./dialogs.js";
import { announceFolders } from "./other_tabs.js";
import { showError } from "./toasts.js";

/** @typedef {{id: string, name: string, created_at: string}} Folder */

export const MAX_FOLDER_NAME = 100;

/** By name. */
export const folders = new Store(/** @type {Folder[]} */ ([]));

export async function loadFolders() {
  const { data } = await askJson("GET", "/api/folders");
  folders.set(data);
}

/** Ask for a name and make the folder. @returns {Promise<Folder | null>} */
export async function createFolder() {
  const name = await askForText({
    title: t("New folder"), label: t("Folder name"), action: t("Create"), maxLength: MAX_FOLDER_NAME,
  });
  if (!name) return null;
  return attempt(() => askJson("POST", "/api/folders", { body: { name } }));
}

/** @param {Folder} folder */
export async function renameFolder(folder) {
  const name = await askForText({
    title: t("Rename folder"), label: t("Folder name"), value: folder.name, action: t("Rename"), maxLength: MAX_FOLDER_NAME,
  });
  if (name && name !== folder.name) await attempt(() => askJson("PATCH", `/api/folders/${folder.id}`, { body: { name } }));
}

/** @param {Folder} folder */
export async function deleteFolder(folder) {
  const isSure = await askToConfirm({
    title: t("Delete the folder “{name}”?", { name: folder.name }),
    text: t("Its conversations stay. They will be in no folder."),
    action: t("Delete folder"),
    isDanger: true,
  });
  if (!isSure) return;
  await attempt(async () => {
    await askJson("DELETE", `/api/folders/${folder.id}`);
    const isOf = (/** @type {{folder_id: string | null}} */ each) => each.folder_id === folder.id;
    conversations.set((before) => before.map((each) => (isOf(each) ? { ...each, folder_id: null } : each)));
    if (view.value.folderId === folder.id) showView({});
  });
}

/**
 * @template T
 * @param {() => Promise<T>} change
 * @returns {Promise<T | null>} null where it was refused
 */
async function attempt(change) {
  try {
    const result = await change();
    await loadFolders();
    announceFolders();
    return result;
  } catch (error) {
    showError(error);
    return null;
  }
}
