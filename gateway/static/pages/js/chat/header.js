// @ts-check
/** Above the thread: which conversation it is, which model answers, and how. */
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { t } from "../words.js";
import { changeConversation, titleOf } from "./conversation_actions.js";
import { conversationMenu } from "./conversation_menu.js";
import { opened } from "./conversations.js";
import { askForText } from "./dialogs.js";
import { drawer, isSidebarHidden, openSidebar } from "./drawer.js";
import { Icon } from "./icons.js";
import { MenuButton } from "./menu.js";
import { ModelPicker } from "./model_picker.js";
import { openSettings } from "./settings_panel.js";

const MAX_TITLE = 200;

/** @param {import("./conversations.js").Conversation} conversation */
async function rename(conversation) {
  const title = await askForText({
    title: t("Rename the conversation"), label: t("Title"), value: conversation.title, action: t("Rename"), maxLength: MAX_TITLE,
  });
  if (title) await changeConversation(conversation, { title });
}

/** @param {{conversationId: string | null}} props */
export function Header({ conversationId }) {
  const conversation = useStore(opened);
  const isDrawerOpen = useStore(drawer);
  const isHidden = useStore(isSidebarHidden);
  const title = conversationId ? (conversation ? titleOf(conversation) : "") : t("New chat");
  return html`<header class="chat-header">
    <button
      type="button" class=${isHidden ? "is-plain is-icon sidebar-open is-wanted" : "is-plain is-icon sidebar-open"} aria-label=${t("Conversations")} aria-controls="sidebar"
      aria-expanded=${isDrawerOpen} onClick=${openSidebar}
    ><${Icon} name="menu" /></button>
    <div class="chat-heading">
      <div class="chat-title">
        <h1 title=${title}>${title}</h1>
        ${conversationId && conversation && html`<${MenuButton}
          className="is-plain is-icon" label=${t("Actions for this conversation")}
          items=${() => conversationMenu(conversation, () => void rename(conversation))}
        ><${Icon} name="more" /><//>`}
      </div>
      <${ModelPicker} />
    </div>
    <button
      type="button" class="is-plain is-icon" aria-label=${t("Settings")} title=${t("Settings")} aria-haspopup="dialog"
      onClick=${() => openSettings(conversationId)}
    ><${Icon} name="settings" /></button>
  </header>`;
}
