// @ts-check
/**
 * The sidebar stands beside the thread, unless the reader has hidden it; on a narrow screen it is a drawer over
 * the thread. chat.css has the same width.
 */
import { Store } from "../store.js";

const KEY = "sidebar";
const narrow = matchMedia("(width <= 800px)");

/** Whether the drawer is open; false on a wide screen. */
export const drawer = new Store(false);
/** Whether the reader does without the sidebar on wide screens. Kept in this browser. */
export const isSidebarHidden = new Store(localStorage.getItem(KEY) === "hidden");

/** Show the sidebar, in whichever way this screen does. */
export function openSidebar() {
  if (narrow.matches) drawer.set(true);
  else hideSidebar(false);
}

export function closeSidebar() {
  if (narrow.matches) drawer.set(false);
  else hideSidebar(true);
  // What had the focus is not to be seen any more.
  requestAnimationFrame(() => /** @type {HTMLElement | null} */ (document.querySelector(".sidebar-open"))?.focus());
}

export function closeDrawer() {
  drawer.set(false);
}

/** @param {boolean} isHidden */
function hideSidebar(isHidden) {
  isSidebarHidden.set(isHidden);
  if (isHidden) localStorage.setItem(KEY, "hidden");
  else localStorage.removeItem(KEY);
}

narrow.addEventListener("change", closeDrawer);
