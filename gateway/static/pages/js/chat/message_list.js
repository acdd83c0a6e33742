// @ts-check
/** The messages of a conversation, of which those in view are in the page. */
import { useStore } from "../store.js";
import { html, useEffect, useRef } from "../ui.js";
import { t } from "../words.js";
import { useFollowing } from "./following.js";
import { useTarget } from "./message_target.js";
import { MessageRow } from "./message_row.js";
import { useVirtualizer } from "./virtual.js";

/** Before it is measured, in pixels. */
const ESTIMATED_HEIGHT = 160;
const OVERSCAN = 6;
/** Earlier messages are fetched when the reader comes this close to the first one, in pixels. */
const EARLY = 1_200;

/**
 * @param {object} props
 * @param {import("./open_thread.js").OpenThread} props.thread
 * @param {string | null} [props.messageId] the one to be led to
 */
export function MessageList({ thread, messageId }) {
  const view = useStore(thread.view);
  const { items, isLoading, hasEarlier, runningKey } = view;
  const scroller = useRef(/** @type {HTMLElement | null} */ (null));
  const rows = useRef(/** @type {HTMLElement | null} */ (null));
  const shape = {
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ESTIMATED_HEIGHT,
    getItemKey: (/** @type {number} */ index) => items[index]?.key ?? String(index),
    overscan: OVERSCAN,
  };
  const virtualizer = useVirtualizer(shape, rows);
  const following = useFollowing(scroller, rows, runningKey);
  useTarget(thread, view, messageId, (index) => {
    following.end();
    virtualizer.scrollToIndex(index, { align: "center" });
  });
  const visible = virtualizer.getVirtualItems();
  useEffect(() => {
    if (hasEarlier && (virtualizer.scrollOffset ?? EARLY) < EARLY) void thread.loadEarlier();
  });
  return html`<div class="messages" ref=${scroller} tabindex="0" aria-label=${t("Messages")} role="region">
    ${!items.length && html`<${isLoading ? Loading : Greeting} />`}
    <div class="rows" ref=${rows} role=${visible.length ? "feed" : null} aria-busy=${isLoading || runningKey !== null}>
      <div class="rows-in-view">
        ${visible.map((row) => {
          const item = items[row.index];
          return html`<div key=${item.key} data-index=${row.index} ref=${virtualizer.measureElement} class="row">
            <${MessageRow}
              thread=${thread}
              item=${item}
              place=${row.index + 1}
              count=${hasEarlier ? -1 : items.length}
              isLast=${row.index === items.length - 1}
              isTarget=${Boolean(messageId) && item.message.id === messageId}
            />
          </div>`;
        })}
      </div>
    </div>
    ${!following.isAtEnd && html`<button class="to-end" onClick=${following.resume}>↓ ${t("To the end")}</button>`}
    <${Progress} isRunning=${runningKey !== null} status=${items.at(-1)?.message.status ?? ""} />
  </div>`;
}

/** What a screen reader says instead of each word that comes. @param {{isRunning: boolean, status: string}} props */
function Progress({ isRunning, status }) {
  const hasRun = useRef(false);
  hasRun.current ||= isRunning;
  const ended = hasRun.current ? sayEnd(status) : "";
  return html`<p class="visually-hidden" role="status">${isRunning ? t("An answer is being written.") : ended}</p>`;
}

/** @param {string} status of the answer */
function sayEnd(status) {
  if (status === "cancelled") return t("The answer was stopped.");
  return status === "error" ? t("The answer broke off.") : t("The answer has ended.");
}

function Loading() {
  return html`<p class="starting is-late" role="status">${t("Loading…")}</p>`;
}

function Greeting() {
  return html`<div class="greeting">
    <h2>${t("What shall we talk about?")}</h2>
    <p>${t("Write a message below. Answers stay on your own server.")}</p>
  </div>`;
}
