// @ts-check
/** Above the thread: which conversation it is, which model answers, and how. */
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { t } from "../words.js";
import { titleOf } from "./conversation-actions.js";
import { opened } from "./conversations.js";
import { drawer } from "./drawer.js";
import { Icon } from "./icons.js";
import { ModelPicker } from "./model-picker.js";
import { openSettings } from "./settings-panel.js";

/** @param {{conversationId: string | null}} props */
export function Header({ conversationId }) {
  const conversation = useStore(opened);
  const isDrawerOpen = useStore(drawer);
  const title = conversationId ? (conversation ? titleOf(conversation) : "") : t("New chat");
  return html`<header class="chat-header">
    <button
      type="button" class="is-plain is-icon drawer-open" aria-label=${t("Conversations")} aria-controls="sidebar"
      aria-expanded=${isDrawerOpen} onClick=${() => drawer.set(true)}
    ><${Icon} name="menu" /></button>
    <h1 class="chat-title" title=${title}>${title}</h1>
    <${ModelPicker} />
    <button
      type="button" class="is-plain is-icon" aria-label=${t("Settings")} title=${t("Settings")} aria-haspopup="dialog"
      onClick=${() => openSettings(conversationId)}
    ><${Icon} name="settings" /></button>
  </header>`;
}
