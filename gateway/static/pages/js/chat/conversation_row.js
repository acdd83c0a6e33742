// @ts-check
/** One row of the list: its title leads to the conversation, its menu has what can be done with it. */
import { html, useLayoutEffect, useRef, useState } from "../ui.js";
import { t, tn } from "../words.js";
import { changeConversation, restoreConversation, titleOf } from "./conversation_actions.js";
import { conversationMenu } from "./conversation_menu.js";
import { useEnter } from "./enter.js";
import { Icon } from "./icons.js";
import { MenuButton } from "./menu.js";
import { pageSettings } from "./page.js";

/** @typedef {import("./conversations.js").Conversation} Conversation */

const MAX_TITLE = 200;

/**
 * @param {object} props
 * @param {Conversation} props.conversation
 * @param {boolean} props.isOpen
 * @param {boolean} props.isReached whether Tab leads to this one
 * @param {boolean} props.wantsFocus
 * @param {() => void} props.onFocus
 */
export function ConversationRow({ conversation, isOpen, isReached, wantsFocus, onFocus }) {
  const [isNaming, setIsNaming] = useState(false);
  const link = useRef(/** @type {HTMLElement | null} */ (null));
  const tabIndex = isReached ? 0 : -1;
  useLayoutEffect(() => {
    if (wantsFocus) link.current?.focus({ preventScroll: true });
  });
  if (isNaming) {
    const end = () => {
      setIsNaming(false);
      // After the box is gone, so that the focus does not fall to the page.
      requestAnimationFrame(() => link.current?.focus({ preventScroll: true }));
    };
    return html`<${TitleBox} conversation=${conversation} onEnd=${end} />`;
  }
  const rename = () => setIsNaming(true);
  const openMenu = () =>
    /** @type {HTMLElement | null | undefined} */ (link.current?.parentElement?.querySelector(".conversation-more"))?.click();
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "F2" && !conversation.deleted_at) rename();
    else if (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey)) openMenu();
    else return;
    event.preventDefault();
  };
  const title = titleOf(conversation);
  const days = daysLeft(conversation);
  const left = days > 0 ? tn("{count} day left", "{count} days left", days) : t("last day");
  const about = { ref: link, tabIndex, title: conversation.deleted_at ? `${title} · ${left}` : title, onKeyDown };
  // What is in the trash cannot be read there: its title leads to what can be done with it.
  const restore = () => void restoreConversation(conversation);
  const look = ["conversation", isOpen && "is-open", conversation.deleted_at && "is-deleted"].filter(Boolean).join(" ");
  return html`<div class=${look} onFocusIn=${onFocus}>
    ${conversation.deleted_at
      ? html`<button type="button" class="conversation-title" ...${about} onClick=${openMenu}>${title}</button>
          ${days <= SOON_DAYS && html`<span class="hint">${left}</span>`}
          <button
            type="button" class="is-plain is-icon" tabindex=${tabIndex} onClick=${restore}
            aria-label=${t("Restore {title}", { title })} title=${t("Restore")}
          ><${Icon} name="restore" /></button>`
      : html`<a
          class="conversation-title" ...${about} href=${`${location.pathname}#${conversation.id}`}
          aria-current=${isOpen ? "page" : undefined} onDblClick=${rename}
        >${title}</a>`}
    <${MenuButton}
      className="is-plain is-icon conversation-more" label=${t("Actions for {title}", { title })} tabIndex=${tabIndex}
      items=${() => conversationMenu(conversation, rename)}
    ><${Icon} name="more" /><//>
  </div>`;
}

const DAY_MS = 86_400_000;

/** From which on a row says how long it can still be restored; before that, its tool tip does. */
const SOON_DAYS = 7;

/** How long it can still be restored. @param {Conversation} conversation */
function daysLeft({ deleted_at: deletedAt }) {
  if (!deletedAt) return Infinity;
  return Math.ceil(pageSettings.deletedDays - (Date.now() - Date.parse(deletedAt)) / DAY_MS);
}

/** @param {{conversation: Conversation, onEnd: () => void}} props */
function TitleBox({ conversation, onEnd }) {
  const [title, setTitle] = useState(conversation.title);
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  const isOver = useRef(false);
  useLayoutEffect(() => box.current?.select(), []);
  const end = (/** @type {boolean} */ keeps) => {
    if (isOver.current) return;
    isOver.current = true;
    const wanted = box.current?.value.trim() ?? "";
    onEnd();
    // An empty title is one that the gateway chooses.
    if (keeps && wanted !== conversation.title) void changeConversation(conversation, { title: wanted });
  };
  const enter = useEnter(() => end(true));
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    event.stopPropagation();
    if (event.key === "Escape" && !event.isComposing) end(false);
    else enter.onKeyDown(event);
  };
  return html`<input
    class="title-box" type="text" ref=${box} value=${title} maxlength=${MAX_TITLE} aria-label=${t("New title")} autocomplete="off"
    onInput=${(/** @type {any} */ event) => setTitle(event.target.value)} onKeyDown=${onKeyDown}
    oncompositionend=${enter.onCompositionEnd} onBlur=${() => end(true)}
  />`;
}
