// @ts-check
/** The keys that work anywhere on the page. */
import { showView, view } from "./conversations.js";
import { closeDrawer, drawer, openSidebar } from "./drawer.js";
import { openKeyboardHelp } from "./keyboard_help.js";

/** Begin a new conversation; the box to write in gets the focus. */
export function startConversation() {
  closeDrawer();
  // It will be in none of these.
  if (view.value.kind !== "current") showView({});
  // Without the "#" that an empty hash leaves behind.
  if (location.hash) history.pushState(null, "", location.pathname + location.search);
  dispatchEvent(new HashChangeEvent("hashchange"));
  requestAnimationFrame(() => /** @type {HTMLElement | null} */ (document.querySelector("main textarea"))?.focus());
}

/** @returns {() => void} which ends it */
export function listenToKeys() {
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing || document.querySelector("dialog[open]")) return;
    const isCommand = event.ctrlKey || event.metaKey;
    if (isCommand && event.shiftKey && event.code === "KeyO") startConversation();
    else if (isCommand && !event.shiftKey && !event.altKey && event.code === "KeyK") focusSearch();
    else if (event.key === "?" && !isCommand && !isWriting(event.target)) openKeyboardHelp();
    else if (event.key === "Escape" && drawer.value) {
      closeDrawer();
      /** @type {HTMLElement | null} */ (document.querySelector(".sidebar-open"))?.focus();
    }
    else return;
    event.preventDefault();
  };
  addEventListener("keydown", onKeyDown);
  return () => removeEventListener("keydown", onKeyDown);
}

function focusSearch() {
  openSidebar();
  requestAnimationFrame(() => /** @type {HTMLInputElement | null} */ (document.querySelector(".search input"))?.select());
}

/** @param {EventTarget | null} target */
function isWriting(target) {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}
