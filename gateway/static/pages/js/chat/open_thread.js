// @ts-check
/** A conversation that is open: what the page shows of it, and what the reader does to it. */
import { ApiError } from "../api.js";
import { Store } from "../store.js";
import { isAbort } from "./answer_reader.js";
import { Answering } from "./answering.js";
import { refreshConversation } from "./conversations.js";
import { describeFailure } from "./failures.js";
import { changeItem, mergeEnd } from "./items.js";
import { makeItem, makeSaid } from "./message.js";
import { tellTabs } from "./tabs.js";
import { loadPage } from "./thread_calls.js";

/**
 * @typedef {import("./message.js").Item} Item
 * @typedef {import("./message.js").Message} Message
 *
 * @typedef {object} View
 * @property {Item[]} items the oldest first
 * @property {boolean} hasEarlier at the server
 * @property {boolean} isLoading
 * @property {string | null} problem why the conversation cannot be shown
 * @property {import("./message.js").Failure | null} notice what came of something that the reader did last
 * @property {string | null} runningKey of the item that is being answered
 * @property {string | null} model that answered last
 */

let count = 0;

export class OpenThread {
  /** @type {Answering | null} */
  #answering = null;
  #isLoadingEarlier = false;
  /** How many times the server was asked for the end of the branch. */
  #readings = 0;
  /** Which of them the page shows; those before it are out of date. */
  #shownReading = 0;
  #isLeft = false;
  /** Tells threads apart, also those that have no id yet. */
  number = (count += 1);

  /**
   * @param {string | null} id
   * @param {(id: string) => void} onStarted
   */
  constructor(id, onStarted) {
    this.id = id;
    this.onStarted = onStarted;
    /** The message that is edited, with what it is by now. @type {Store<{key: string, text: string} | null>} */
    this.editing = new Store(/** @type {{key: string, text: string} | null} */ (null));
    /** What goes back to the box. @type {Store<{content: string, files: import("./message.js").Part[]} | null>} */
    this.returned = new Store(/** @type {any} */ (null));
    /** @type {Store<View>} */
    this.view = new Store(
      /** @type {View} */ ({
        items: [],
        hasEarlier: false,
        isLoading: id !== null,
        problem: null,
        notice: null,
        runningKey: null,
        model: null,
      }),
    );
  }

  /** @param {Partial<View>} change */
  change(change) {
    this.view.set((view) => ({ ...view, ...change }));
  }

  get isAnswering() {
    return this.view.value.runningKey !== null;
  }

  /** The end of the active branch, as it is at the server; an answer that is being written is followed. */
  async load() {
    const { id } = this;
    if (!id) return;
    try {
      await this.read(() => loadPage(id));
    } catch (error) {
      const isMissing = error instanceof ApiError && error.status === 404;
      if (this.view.value.items.length && !isMissing) return; // what is shown stays good
      this.change({ isLoading: false, problem: isMissing ? "missing" : describeFailure(error).message });
    }
  }

  /**
   * Show what the server tells, unless it was asked before something that is shown already.
   * @param {() => Promise<import("./thread_calls.js").Page>} ask
   */
  async read(ask) {
    const reading = (this.#readings += 1);
    const page = await ask();
    if (reading <= this.#shownReading) return;
    this.#shownReading = reading;
    this.#show(page);
  }

  /** @param {import("./thread_calls.js").Page} page */
  #show(page) {
    const before = this.view.value.items;
    const items = mergeEnd(before, page.messages);
    const reachesBack = items[0]?.message.id !== page.messages[0]?.id;
    this.change({
      items,
      hasEarlier: reachesBack ? this.view.value.hasEarlier : page.has_more,
      isLoading: false,
      problem: null,
      model: page.model,
    });
    const running = items.find(({ message, live }) => message.id && message.status === "streaming" && !live);
    if (running && !this.isAnswering) void this.#follow(running);
  }

  async loadEarlier() {
    const first = this.view.value.items[0]?.message.id;
    if (!this.id || !first || this.#isLoadingEarlier || !this.view.value.hasEarlier) return;
    this.#isLoadingEarlier = true;
    try {
      const page = await loadPage(this.id, first);
      if (this.view.value.items[0]?.message.id !== first) return;
      const earlier = page.messages.map((message) => makeItem(message));
      this.change({ items: [...earlier, ...this.view.value.items], hasEarlier: page.has_more });
    } finally {
      this.#isLoadingEarlier = false;
    }
  }

  /** @param {Item} item that another visit, tab or device began */
  async #follow(item) {
    const said = makeSaid({ content: item.message.content, reasoning: item.message.reasoning });
    this.change({ items: changeItem(this.view.value.items, item.key, { live: said }) });
    await this.answer({ ...item, live: said }, null);
  }

  /**
   * Run the answer of an item that is in the list, to its end.
   * @param {Item} item with `live`
   * @param {((signal: AbortSignal) => Promise<Response>) | null} ask null: it runs already
   * @returns {Promise<unknown>} what it failed with; null where it did not, or was left
   */
  async answer(item, ask) {
    const { key, live } = item;
    if (!live) throw new Error("an answer needs a place for its text");
    const place = { conversationId: this.id, messageId: item.message.id };
    const answering = new Answering(place, live, (found) => this.#place(key, found));
    this.#answering = answering;
    this.change({ runningKey: key });
    let failure = null;
    try {
      await answering.run(ask);
    } catch (error) {
      failure = isAbort(error) ? null : error;
    }
    this.#answering = null;
    if (this.#isLeft) return null;
    this.#settle(key, answering, failure);
    await this.refresh();
    return failure;
  }

  /** What changed is read again, and told to the list of conversations and to other tabs. */
  async refresh() {
    await this.load();
    if (!this.id) return;
    tellTabs(this.id);
    await refreshConversation(this.id).catch(() => {});
  }

  /** @param {string} key @param {{conversationId: string, messageId: string, omitted: number}} place */
  #place(key, { conversationId, messageId, omitted }) {
    const items = this.view.value.items.map((item) =>
      item.key === key
        ? { ...item, message: { ...item.message, id: messageId, omitted_messages: omitted } }
        : item,
    );
    const isNew = !this.id;
    this.id = conversationId;
    this.change({ items });
    if (isNew) {
      this.onStarted(conversationId);
      void refreshConversation(conversationId).catch(() => {});
    }
    tellTabs(conversationId);
    if (this.#isLeft) this.#answering?.leave();
  }

  /** @param {string} key @param {Answering} answering @param {unknown} failure */
  #settle(key, answering, failure) {
    const said = answering.reader.text;
    this.#shownReading = this.#readings; // what was asked while it ran may not have its end
    const items = this.view.value.items.map((item) => {
      if (item.key !== key) return item;
      const status = failure ? "error" : answering.isStopped ? "cancelled" : "complete";
      const message = /** @type {Message} */ ({
        ...item.message,
        content: said.content,
        reasoning: said.reasoning,
        tool_calls: said.toolCalls.length ? said.toolCalls : null,
        model: said.model || item.message.model,
        finish_reason: answering.reader.finishReason,
        status,
      });
      // One that the server has not taken replaces nothing.
      return { ...item, message, live: null, failure: failure ? describeFailure(failure) : null, replaces: "" };
    });
    this.change({ items, runningKey: null });
  }

  async stop() {
    await this.#answering?.stop();
  }

  /** The reader went elsewhere. What has arrived at the server is answered there; the rest is sent first. */
  leave() {
    this.#isLeft = true;
    this.onStarted = () => {};
    if (this.#answering?.place.messageId) this.#answering.leave();
  }
}
