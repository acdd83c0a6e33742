// @ts-check
/** The calls on one conversation, and what an answer is asked for with. */
import { ask, askJson } from "../api.js";
import { choices } from "./choices.js";

/** @typedef {import("./message.js").Message} Message */

/**
 * @typedef {object} Page
 * @property {string} id
 * @property {string} model
 * @property {number} version
 * @property {Message[]} messages the oldest first
 * @property {boolean} has_more whether there are earlier ones
 */

export const PAGE_SIZE = 100;

/** @param {string} id @param {string | null} [before] @returns {Promise<Page>} */
export function loadPage(id, before) {
  const query = new URLSearchParams({ limit: String(PAGE_SIZE), ...(before ? { before } : {}) });
  return askJson("GET", `/api/conversations/${id}?${query}`);
}

/** What the reader chose, as fields of a request. */
function chosen() {
  const { model, temperature, topP, maxTokens } = choices.value;
  return {
    model,
    stream: true,
    truncation: "oldest",
    ...(temperature === null ? {} : { temperature }),
    ...(topP === null ? {} : { top_p: topP }),
    ...(maxTokens === null ? {} : { max_tokens: maxTokens }),
  };
}

/**
 * The body of a new message. Sent again as it is, it gets the answer that was given to it.
 * @param {{content: string, fileIds: string[], conversationId: string | null, clientMessageId: string}} turn
 */
export function makeTurnBody({ content, fileIds, conversationId, clientMessageId }) {
  return {
    ...chosen(),
    ...(content ? { content } : {}),
    client_message_id: clientMessageId,
    ...(fileIds.length ? { file_ids: fileIds } : {}),
    ...(conversationId ? { conversation_id: conversationId } : {}),
  };
}

/** @param {object} body of makeTurnBody @param {AbortSignal} signal */
export function postTurn(body, signal) {
  return ask("POST", "/api/chat", { body, signal });
}

/**
 * @param {string} conversationId
 * @param {string} messageId
 * @param {"regenerate" | "continue"} how
 * @param {AbortSignal} signal
 * @param {string} [model]
 */
export function postAgain(conversationId, messageId, how, signal, model) {
  const body = { ...chosen(), ...(model ? { model } : {}) };
  return ask("POST", `${pathOf(conversationId, messageId)}/${how}`, { body, signal });
}

/** @param {string} conversationId @param {string} messageId @param {string} lastEventId @param {AbortSignal} signal */
export function resumeStream(conversationId, messageId, lastEventId, signal) {
  /** @type {Record<string, string>} */
  const headers = lastEventId ? { "Last-Event-ID": lastEventId } : {};
  return ask("GET", `${pathOf(conversationId, messageId)}/stream`, { headers, signal });
}

/** @param {string} conversationId @param {string} messageId */
export function cancelAnswer(conversationId, messageId) {
  return askJson("POST", `${pathOf(conversationId, messageId)}/cancel`);
}

/** @param {string} conversationId @param {string} messageId @returns {Promise<Page>} */
export function activateBranch(conversationId, messageId) {
  return askJson("POST", `${pathOf(conversationId, messageId)}/activate`, { body: {} });
}

/** @param {string} conversationId @param {string} messageId @param {string} content @returns {Promise<Message>} */
export function editMessage(conversationId, messageId, content) {
  return askJson("PATCH", pathOf(conversationId, messageId), { body: { content } });
}

/** @param {string} conversationId @param {string} messageId */
export function deleteBranch(conversationId, messageId) {
  return askJson("DELETE", pathOf(conversationId, messageId));
}

/**
 * @param {string} conversationId
 * @param {string} messageId
 * @param {import("./message.js").Feedback | null} feedback null: take it back
 */
export function giveFeedback(conversationId, messageId, feedback) {
  const path = `${pathOf(conversationId, messageId)}/feedback`;
  return feedback ? askJson("PUT", path, { body: feedback }) : askJson("DELETE", path);
}

/**
 * The answer that is being written in a conversation whose id, or whose answer's id, has not come yet.
 * @param {string | null} conversationId null: the one that began last
 * @returns {Promise<{conversationId: string, messageId: string} | null>}
 */
export async function findRunning(conversationId) {
  const id = conversationId ?? (await askJson("GET", "/api/conversations?limit=1")).data[0]?.id;
  if (!id) return null;
  const page = await askJson("GET", `/api/conversations/${id}?limit=1`);
  const last = page.messages.at(-1);
  return last?.status === "streaming" ? { conversationId: id, messageId: last.id } : null;
}

/** @param {string} conversationId @param {string} messageId */
function pathOf(conversationId, messageId) {
  return `/api/conversations/${conversationId}/messages/${messageId}`;
}
