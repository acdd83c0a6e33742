// @ts-check
/** The list of conversations, with what stands above and below it. */
import { useStore } from "../store.js";
import { html, useLayoutEffect, useRef } from "../ui.js";
import { t } from "../words.js";
import { AccountMenu } from "./account_menu.js";
import { ConversationList } from "./conversation_list.js";
import { closeDrawer, closeSidebar, drawer, isSidebarHidden } from "./drawer.js";
import { Icon } from "./icons.js";
import { CONTROL } from "./keyboard_help.js";
import { startConversation } from "./page_keys.js";
import { SearchBox, SearchResults, searchText } from "./search.js";
import { ViewBar } from "./view_bar.js";

/**
 * @param {object} props
 * @param {string | null} props.conversationId the one that is open
 */
export function Sidebar({ conversationId }) {
  const isOpen = useStore(drawer);
  const isHidden = useStore(isSidebarHidden);
  const close = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    if (isOpen && !document.activeElement?.closest(".sidebar")) close.current?.focus();
  }, [isOpen]);
  const isSearching = useStore(searchText, (text) => text.trim() !== "");
  const look = ["sidebar", isOpen && "is-open", isHidden && "is-hidden"].filter(Boolean).join(" ");
  return html`<nav class=${look} id="sidebar" aria-label=${t("Conversations")}>
      <div class="sidebar-head">
        <button type="button" class="new-chat" title=${`${t("New chat")} (${CONTROL} Shift O)`} onClick=${startConversation}>
          <${Icon} name="plus" />${t("New chat")}
        </button>
        <button
          type="button" ref=${close} class="is-plain is-icon" aria-label=${t("Hide the conversations")} title=${t("Hide the conversations")}
          onClick=${closeSidebar}
        ><${Icon} name="sidebar" /></button>
      </div>
      <${SearchBox} />
      ${isSearching
        ? html`<${SearchResults} />`
        : html`<${ViewBar} /><${ConversationList} conversationId=${conversationId} />`}
      <${AccountMenu} />
    </nav>
    ${isOpen && html`<div class="drawer-cover" onClick=${closeDrawer}></div>`}`;
}
