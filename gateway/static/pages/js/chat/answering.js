// @ts-check
/** Runs one answer to its end: asks, reads, comes back where the connection is lost, stops. */
import { ApiError } from "../api.js";
import { AnswerReader, ConnectionLost, isAbort } from "./answer_reader.js";
import { cancelAnswer, findRunning, loadPage, resumeStream } from "./thread_calls.js";

/**
 * @typedef {object} Place where the answer is stored, as far as is known
 * @property {string | null} conversationId
 * @property {string} messageId
 */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 15_000;
const POLL_MS = 700;

export class Answering {
  /**
   * @param {Place} place
   * @param {import("../store.js").Store<import("./message.js").Said>} said
   * @param {(place: {conversationId: string, messageId: string, omitted: number}) => void} onPlace
   */
  constructor(place, said, onPlace) {
    this.place = place;
    this.reader = new AnswerReader(said);
    this.onPlace = onPlace;
    this.isStopped = false;
    this.hasLeft = false;
    /** Of the request that runs now. */
    this.attempt = new AbortController();
  }

  /**
   * Returns when the answer has ended; throws what it failed with.
   * @param {((signal: AbortSignal) => Promise<Response>) | null} ask null: it runs already
   */
  async run(ask) {
    // A request whose network is gone may hang for minutes.
    const cut = () => this.place.messageId && this.attempt.abort();
    addEventListener("offline", cut);
    try {
      if (!ask) throw new ConnectionLost();
      const response = await ask(this.attempt.signal);
      this.#note(response.headers);
      await this.reader.read(response);
    } catch (error) {
      if (error instanceof ApiError) this.#note(error.headers);
      if (!this.#isLost(error) || !this.place.messageId) throw error;
      await this.#comeBack(!ask);
    } finally {
      removeEventListener("offline", cut);
    }
  }

  /** Keeps what came. An answer whose id is not known yet is looked for; where none runs, the request is ended. */
  async stop() {
    this.isStopped = true;
    const { conversationId, messageId } = this.place;
    const found = conversationId && messageId ? { conversationId, messageId } : await findRunning(conversationId);
    if (found) await cancelAnswer(found.conversationId, found.messageId);
    else this.leave();
  }

  /** Stop reading; the answer goes on at the server. */
  leave() {
    this.hasLeft = true;
    this.attempt.abort();
  }

  /** @param {unknown} error */
  #isLost(error) {
    return error instanceof ConnectionLost || (isAbort(error) && !this.hasLeft);
  }

  /** Of an answer, or of the refusal of one that is stored as failed. @param {Headers} headers */
  #note(headers) {
    const conversationId = headers.get("x-conversation-id");
    const messageId = headers.get("x-message-id");
    if (!conversationId || !messageId) return;
    this.place = { conversationId, messageId };
    const omitted = Number.parseInt(headers.get("x-omitted-messages") ?? "0", 10);
    this.onPlace({ conversationId, messageId, omitted });
    if (this.isStopped) cancelAnswer(conversationId, messageId).catch(() => {});
  }

  /** @param {boolean} isFirst nothing was lost: the page has just been opened */
  async #comeBack(isFirst) {
    let wait = FIRST_WAIT_MS;
    if (!isFirst) this.reader.noteConnection(true);
    for (;;) {
      this.attempt = new AbortController();
      if (this.hasLeft) this.attempt.abort();
      try {
        await this.#resume();
        return;
      } catch (error) {
        if (!this.#isLost(error) && !isTransient(error)) throw error;
      }
      this.reader.noteConnection(true);
      await pause(wait);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    }
  }

  /** The rest of the stream, or where the server has no such call the stored text, until it has ended. */
  async #resume() {
    const { conversationId, messageId } = this.place;
    if (!conversationId) throw new ConnectionLost();
    try {
      const response = await resumeStream(conversationId, messageId, this.reader.lastEventId, this.attempt.signal);
      if (!this.reader.lastEventId) this.reader.restart();
      this.reader.noteConnection(false);
      await this.reader.read(response);
    } catch (error) {
      if (!(error instanceof ApiError) || ![404, 405].includes(error.status)) throw error;
      await this.#poll(conversationId, messageId);
    }
  }

  /** @param {string} conversationId @param {string} messageId */
  async #poll(conversationId, messageId) {
    while (!this.hasLeft) {
      const page = await loadPage(conversationId);
      const message = page.messages.find((each) => each.id === messageId);
      if (!message || message.status !== "streaming") return;
      Object.assign(this.reader.text, { content: message.content, reasoning: message.reasoning });
      this.reader.noteConnection(false);
      await pause(POLL_MS);
    }
  }
}

/** @param {unknown} error */
function isTransient(error) {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);
}

/**
 * Ends sooner where the network comes back.
 * @param {number} milliseconds
 * @returns {Promise<void>}
 */
function pause(milliseconds) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener("online", end);
  });
}
