// @ts-check
/** Reads the stream of an answer into what the page shows of it. */
import { ApiError } from "../api.js";
import { readEvents } from "./sse.js";

/**
 * @typedef {import("./message.js").Said} Said
 * @typedef {{role?: string, content?: string | null, reasoning?: string | null, reasoning_content?: string | null,
 *   refusal?: string | null, tool_calls?: (import("./message.js").ToolCall & {index?: number})[]}} Delta
 */

/** How often a page in sight shows what came, in milliseconds: faster than that nobody reads. */
const SHOW_MS = 40;
const SHOW_HIDDEN_MS = 500;
/** Each so many characters make that a millisecond longer: the last block of a long text takes longer to read. */
const CHARACTERS_PER_MS = 10_000;

/** The connection ended before the answer did. */
export class ConnectionLost extends Error {}

export class AnswerReader {
  /** @param {import("../store.js").Store<Said>} said */
  constructor(said) {
    this.said = said;
    this.lastEventId = "";
    this.finishReason = "";
    /** @type {Said} */
    this.text = { ...said.value };
    /** @type {ReturnType<typeof setTimeout> | null} */
    this.timer = null;
  }

  /**
   * Returns when the answer has ended. Throws an ApiError where it failed, ConnectionLost where it may go on.
   * @param {Response} response
   */
  async read(response) {
    try {
      if (!response.body) throw new ConnectionLost();
      for await (const event of readEvents(response.body)) {
        if (event.data === "[DONE]") return;
        this.#take(JSON.parse(event.data));
        if (event.id) this.lastEventId = event.id;
      }
    } catch (error) {
      if (error instanceof ApiError || isAbort(error)) throw error;
      throw new ConnectionLost();
    } finally {
      this.show();
    }
    throw new ConnectionLost();
  }

  /** Everything comes anew from the beginning. */
  restart() {
    this.text = { ...this.text, content: "", reasoning: "", toolCalls: [], thoughtUntil: null };
    this.lastEventId = "";
  }

  /** @param {any} chunk */
  #take(chunk) {
    if (chunk.error) {
      throw new ApiError(chunk.error.message, { status: 200, code: chunk.error.code, param: chunk.error.param });
    }
    if (chunk.model) this.text.model = chunk.model;
    const choice = chunk.choices?.[0];
    if (!choice) return;
    if (choice.finish_reason) this.finishReason = choice.finish_reason;
    if (choice.delta) this.#add(choice.delta);
    this.timer ??= setTimeout(() => this.show(), this.#pace());
  }

  #pace() {
    return document.hidden ? SHOW_HIDDEN_MS : SHOW_MS + this.text.content.length / CHARACTERS_PER_MS;
  }

  /** @param {Delta} delta */
  #add(delta) {
    const reasoning = delta.reasoning ?? delta.reasoning_content;
    // A refusal that is repeated from storage stands in both fields.
    const content = delta.content || delta.refusal;
    if (reasoning) this.text.reasoning += reasoning;
    if (content) this.text.content += content;
    if ((content || delta.tool_calls?.length) && this.text.reasoning) this.text.thoughtUntil ??= Date.now();
    if (delta.tool_calls?.length) this.text.toolCalls = addCalls(this.text.toolCalls, delta.tool_calls);
  }

  show() {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    this.said.set({ ...this.text });
  }

  /** @param {boolean} isLost */
  noteConnection(isLost) {
    this.text.isLost = isLost;
    this.show();
  }
}

/**
 * @param {import("./message.js").ToolCall[]} calls
 * @param {NonNullable<Delta["tool_calls"]>} pieces
 */
function addCalls(calls, pieces) {
  const grown = calls.map((call) => ({ ...call, function: { ...call.function } }));
  for (const piece of pieces) {
    const call = (grown[piece.index ?? grown.length] ??= { function: {} });
    call.id ??= piece.id;
    const said = (call.function ??= {});
    said.name = (said.name ?? "") + (piece.function?.name ?? "");
    said.arguments = (said.arguments ?? "") + (piece.function?.arguments ?? "");
  }
  return grown;
}

/** @param {unknown} error */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}
