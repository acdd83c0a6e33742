// @ts-check
/** What the page knows of its server, and of who reads it. */
import { askJson } from "../api.js";
import { Store } from "../store.js";

/**
 * @typedef {object} PageSettings
 * @property {boolean} sharedLinks
 * @property {number} maxFileBytes
 * @property {number} maxImageBytes
 * @property {number} deletedDays how long a deleted conversation can be restored
 * @property {string} version
 */

/** @type {PageSettings} */
export const pageSettings = JSON.parse(document.getElementById("page-settings")?.textContent ?? "{}");

/** @typedef {{username: string, role: "admin" | "user", default_system_prompt: string}} Account */

/** null until it is known. */
export const account = new Store(/** @type {Account | null} */ (null));

export async function loadAccount() {
  account.set(await askJson("GET", "/api/auth/me"));
}

/** @param {Account | null} known */
export function isAdmin(known) {
  return known?.role === "admin";
}
