// @ts-check
/** One conversation: its messages, and the box to write in. */
import { useStore } from "../store.js";
import { html, useEffect, useMemo, useRef } from "../ui.js";
import { t } from "../words.js";
import { Composer } from "./composer.js";
import { MessageList } from "./message_list.js";
import { OpenThread } from "./open_thread.js";
import { hearOtherTabs } from "./other_tabs.js";
import { listenToTabs } from "./tabs.js";

/** A conversation that was out of sight for so long is read anew. */
const STALE_MS = 30_000;

/**
 * @param {object} props
 * @param {string | null} props.conversationId null: one that begins with the first message
 * @param {string | null} [props.messageId] the message that the reader looks for
 * @param {(id: string) => void} props.onStarted when that got its id
 */
export function Thread({ conversationId, messageId, onStarted }) {
  const thread = useOpenThread(conversationId, onStarted);
  const { problem } = useStore(thread.view);
  useEffect(() => keepFresh(thread), [thread]);
  if (problem) return html`<${Problem} thread=${thread} problem=${problem} />`;
  return html`<section class="thread" aria-label=${t("Conversation")}>
    <${MessageList} thread=${thread} messageId=${messageId} key=${thread.number} />
    <${Composer} thread=${thread} key=${`box ${thread.number}`} />
  </section>`;
}

/**
 * Other tabs, other devices and sleep change what it has.
 * @param {OpenThread} thread
 * @returns {() => void} which ends it
 */
function keepFresh(thread) {
  const refresh = () => void (!thread.isAnswering && thread.load());
  const end = listenToTabs((id) => id === thread.id && refresh());
  const endHearing = hearOtherTabs((change) => {
    const wasRemoved = "removed" in change && change.removed === thread.id;
    const wasRestored = "conversation" in change && change.conversation === thread.id && thread.view.value.problem;
    if (wasRemoved || wasRestored) refresh();
  });
  let hiddenAt = Date.now();
  const look = () => {
    if (document.hidden) hiddenAt = Date.now();
    else if (Date.now() - hiddenAt > STALE_MS) refresh();
  };
  document.addEventListener("visibilitychange", look);
  addEventListener("online", refresh);
  return () => {
    end();
    endHearing();
    document.removeEventListener("visibilitychange", look);
    removeEventListener("online", refresh);
  };
}

/**
 * The same one when a new conversation gets its id.
 * @param {string | null} conversationId
 * @param {(id: string) => void} onStarted
 */
function useOpenThread(conversationId, onStarted) {
  const current = useRef(/** @type {OpenThread | null} */ (null));
  const started = useRef(onStarted);
  started.current = onStarted;
  return useMemo(() => {
    const before = current.current;
    if (before && conversationId && before.id === conversationId) return before;
    before?.leave();
    const thread = new OpenThread(conversationId, (id) => started.current(id));
    current.current = thread;
    void thread.load();
    return thread;
  }, [conversationId]);
}

/** @param {{thread: OpenThread, problem: string}} props */
function Problem({ thread, problem }) {
  const text = problem === "missing" ? t("There is no such conversation. It may have been deleted.") : problem;
  return html`<section class="thread is-empty" aria-label=${t("Conversation")}>
    <p class="notice is-error" role="alert">${text}</p>
    ${problem !== "missing" && html`<button onClick=${() => thread.load()}>${t("Try again")}</button>`}
  </section>`;
}
