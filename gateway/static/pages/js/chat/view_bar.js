// @ts-check
/** Says which conversations the list shows, and changes that: all, a folder, the archive, the trash. */
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { t, tn } from "../words.js";
import { showView, view } from "./conversations.js";
import { createFolder, deleteFolder, folders, renameFolder } from "./folders.js";
import { Icon } from "./icons.js";
import { MenuButton } from "./menu.js";
import { pageSettings } from "./page.js";

/** @typedef {import("./menu.js").MenuItem} MenuItem */

export function ViewBar() {
  const shown = useStore(view);
  const all = useStore(folders);
  const folder = all.find((each) => each.id === shown.folderId) ?? null;
  const name = { current: folder?.name ?? t("All conversations"), archive: t("Archive"), trash: t("Trash") }[shown.kind];
  return html`<div class="view-bar">
    <${MenuButton} className="is-plain view-name" items=${() => viewMenu(shown, all)}>
      <h2>${name}</h2><${Icon} name="chevron" />
    <//>
    ${folder && html`<${MenuButton}
      className="is-plain is-icon" label=${t("Actions for the folder {name}", { name: folder.name })} items=${() => folderMenu(folder)}
    ><${Icon} name="more" /><//>`}
  </div>
  ${shown.kind === "trash" && html`<p class="hint view-hint">${trashWords()}</p>`}`;
}

function trashWords() {
  const days = pageSettings.deletedDays;
  if (!days) return t("What is here is removed for good the next time that the server tidies up.");
  return tn(
    "Deleted conversations can be restored for {count} day. Then they are removed for good.",
    "Deleted conversations can be restored for {count} days. Then they are removed for good.",
    days,
  );
}

/**
 * @param {import("./conversations.js").View} shown
 * @param {import("./folders.js").Folder[]} all
 * @returns {MenuItem[]}
 */
function viewMenu(shown, all) {
  const isCurrent = shown.kind === "current";
  const create = async () => {
    const folder = await createFolder();
    if (folder) showView({ folderId: folder.id });
  };
  return [
    { label: t("All conversations"), icon: "list", isChosen: isCurrent && !shown.folderId, run: () => showView({}) },
    ...all.map((folder) => ({
      label: folder.name,
      icon: /** @type {const} */ ("folder"),
      isChosen: isCurrent && folder.id === shown.folderId,
      run: () => showView({ folderId: folder.id }),
    })),
    { label: t("New folder…"), icon: "plus", run: () => void create() },
    {
      label: t("Archive"), icon: "archive", startsGroup: true, isChosen: shown.kind === "archive",
      run: () => showView({ kind: "archive" }),
    },
    { label: t("Trash"), icon: "trash", isChosen: shown.kind === "trash", run: () => showView({ kind: "trash" }) },
  ];
}

/** @param {import("./folders.js").Folder} folder @returns {MenuItem[]} */
function folderMenu(folder) {
  return [
    { label: t("Rename folder"), icon: "edit", run: () => void renameFolder(folder) },
    { label: t("Delete folder…"), icon: "trash", isDanger: true, run: () => void deleteFolder(folder) },
  ];
}
