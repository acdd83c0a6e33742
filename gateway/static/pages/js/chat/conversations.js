// @ts-check
/** The conversations that the page knows of, the one used last first. */
import { Store } from "../store.js";

/**
 * A conversation as `GET /api/conversations` tells it.
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title
 * @property {string} model
 * @property {number} version
 * @property {boolean} is_pinned
 * @property {boolean} is_archived
 * @property {string | null} folder_id
 * @property {string} system_prompt
 * @property {string} created_at
 * @property {string} updated_at
 */

export const conversations = new Store(/** @type {Conversation[]} */ ([]));

/**
 * Something was said in it, or it is new: read it anew and put it first. Called by the thread.
 * @param {string} id
 */
export async function refreshConversation(id) {
  void id;
}
