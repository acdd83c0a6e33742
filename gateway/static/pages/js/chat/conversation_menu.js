// @ts-check
/** What the menu of a conversation has. */
import { t } from "../words.js";
import {
  archiveConversation, changeConversation, deleteConversation, duplicateConversation, exportConversation,
  removeConversation, restoreConversation,
} from "./conversation_actions.js";
import { chooseFolder } from "./folder_dialog.js";
import { pageSettings } from "./page.js";
import { openShareDialog } from "./share_dialog.js";

/**
 * @param {import("./conversations.js").Conversation} conversation
 * @param {() => void} rename
 * @returns {import("./menu.js").MenuItem[]}
 */
export function conversationMenu(conversation, rename) {
  if (conversation.deleted_at) {
    return [
      { label: t("Restore"), icon: "restore", run: () => void restoreConversation(conversation) },
      { label: t("Delete for good…"), icon: "trash", isDanger: true, run: () => void removeConversation(conversation) },
    ];
  }
  const { pinned, archived } = conversation;
  return [
    { label: t("Rename"), icon: "edit", run: rename },
    {
      label: pinned ? t("Unpin") : t("Pin"),
      icon: "pin",
      run: () => void changeConversation(conversation, { pinned: !pinned }),
    },
    { label: t("Move to folder…"), icon: "folder", run: () => chooseFolder(conversation) },
    {
      label: archived ? t("Move out of the archive") : t("Archive"),
      icon: "archive",
      run: () => void archiveConversation(conversation, !archived),
    },
    { label: t("Duplicate"), icon: "copy", run: () => void duplicateConversation(conversation) },
    ...(pageSettings.sharedLinks
      ? [{ label: t("Share…"), icon: /** @type {const} */ ("link"), run: () => openShareDialog(conversation) }]
      : []),
    {
      label: t("Export as Markdown"), icon: "download", startsGroup: true,
      run: () => void exportConversation(conversation, "md"),
    },
    { label: t("Export as JSON"), icon: "download", run: () => void exportConversation(conversation, "json") },
    {
      label: t("Delete"), icon: "trash", isDanger: true, startsGroup: true,
      run: () => void deleteConversation(conversation),
    },
  ];
}
