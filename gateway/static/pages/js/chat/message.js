// @ts-check
/** Messages as the API tells them, and the items that the page shows of them. */
import { Store } from "../store.js";

/**
 * @typedef {{prompt_tokens: number, completion_tokens: number, total_tokens: number}} Usage
 * @typedef {{count: number, position: number, previous_id: string | null, next_id: string | null}} Siblings
 * @typedef {{rating: "up" | "down", reason: string, comment: string}} Feedback
 * @typedef {{id?: string, function?: {name?: string, arguments?: string}}} ToolCall
 *
 * @typedef {object} Part
 * @property {"text" | "image" | "document"} type
 * @property {string} [text]
 * @property {string} [file_id]
 * @property {string} [name]
 * @property {string | null} [media_type] null: it was deleted
 * @property {number | null} [size_bytes]
 *
 * @typedef {object} Message
 * @property {string} id empty: not stored yet, as far as the page knows
 * @property {string | null} parent_id
 * @property {Siblings | null} siblings
 * @property {"system" | "user" | "assistant" | "tool"} role
 * @property {string} content
 * @property {Part[] | null} parts
 * @property {string} reasoning
 * @property {string | null} refusal
 * @property {ToolCall[] | null} tool_calls
 * @property {"streaming" | "complete" | "cancelled" | "error"} status
 * @property {string} error_code
 * @property {string} error_message why it failed, in the words that its request was refused with
 * @property {string} model
 * @property {string} finish_reason
 * @property {number} omitted_messages
 * @property {Usage | null} usage
 * @property {string} usage_source
 * @property {number | null} ttft_ms
 * @property {number | null} latency_ms
 * @property {Feedback | null} feedback
 * @property {string} created_at
 *
 * @typedef {object} Said what has come of a running answer
 * @property {string} content
 * @property {string} reasoning
 * @property {ToolCall[]} toolCalls
 * @property {string} model
 * @property {number} startedAt milliseconds
 * @property {number | null} thoughtUntil when the reasoning ended
 * @property {boolean} isLost the connection is: the answer goes on at the server
 *
 * @typedef {object} Failure
 * @property {string} code
 * @property {string} message
 * @property {number | null} retryAt when it may be tried again, in milliseconds
 * @property {boolean} triesAgain whether the page does that by itself
 *
 * @typedef {object} Item
 * @property {string} key the same from the moment that it is written
 * @property {Message} message
 * @property {Store<Said> | null} live
 * @property {Failure | null} failure
 * @property {string} replaces the id of the message in whose place it is written; empty for none
 */

/**
 * @param {Partial<Message>} fields
 * @returns {Message}
 */
export function makeMessage(fields) {
  return {
    id: "",
    parent_id: null,
    siblings: null,
    role: "assistant",
    content: "",
    parts: null,
    reasoning: "",
    refusal: null,
    tool_calls: null,
    status: "complete",
    error_code: "",
    error_message: "",
    model: "",
    finish_reason: "",
    omitted_messages: 0,
    usage: null,
    usage_source: "",
    ttft_ms: null,
    latency_ms: null,
    feedback: null,
    created_at: new Date().toISOString(),
    ...fields,
  };
}

/** @param {Partial<Said>} [fields] @returns {Store<Said>} */
export function makeSaid(fields) {
  return new Store({
    content: "",
    reasoning: "",
    toolCalls: [],
    model: "",
    startedAt: Date.now(),
    thoughtUntil: null,
    isLost: false,
    ...fields,
  });
}

/** @param {Message} message @param {Partial<Item>} [rest] @returns {Item} */
export function makeItem(message, rest) {
  return { key: message.id, message, live: null, failure: null, replaces: "", ...rest };
}

/** A random UUID, also where the page came without TLS: crypto.randomUUID is for secure contexts alone. */
export function makeId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
