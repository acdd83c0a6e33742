// @ts-check
/** The reader's account, as `GET /api/auth/me` tells it. */
import { askJson } from "../api.js";
import { Store } from "../store.js";

/**
 * @typedef {object} Allowance
 * @property {number} limit
 * @property {number | null} window_s null for answers at a time
 */

/**
 * @typedef {object} Account
 * @property {string} id
 * @property {string} username
 * @property {string | null} email
 * @property {"user" | "admin"} role
 * @property {string} default_system_prompt
 * @property {string} locale empty: the browser's
 * @property {string} created_at
 * @property {boolean} has_password else an identity provider signs in to it
 * @property {{requests: Allowance | null, tokens: Allowance | null, streams: Allowance | null}} limits
 * @property {{day: string, requests: number, prompt_tokens: number, completion_tokens: number}} usage_today
 */

/** Filled before the page is shown. */
export const account = new Store(/** @type {Account} */ (/** @type {unknown} */ (null)));

export async function loadAccount() {
  account.set(await askJson("GET", "/api/auth/me"));
}

/** @param {Partial<Pick<Account, "email" | "locale" | "default_system_prompt">>} changes */
export async function changeAccount(changes) {
  account.set(await askJson("PATCH", "/api/auth/me", { body: changes }));
}
