// @ts-check
/** On a narrow screen the sidebar is a drawer over the thread; chat.css has the same width. */
import { Store } from "../store.js";

const narrow = matchMedia("(width <= 800px)");

/** Whether it is open. On a wide screen the sidebar is always there, and this is false. */
export const drawer = new Store(false);

export function openDrawer() {
  drawer.set(narrow.matches);
}

export function closeDrawer() {
  drawer.set(false);
}

narrow.addEventListener("change", closeDrawer);
