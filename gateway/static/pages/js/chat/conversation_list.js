// @ts-check
/** The list of conversations: only the rows in view are in the page, and more are read as its end comes near. */
import { useStore } from "../store.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../ui.js";
import { t } from "../words.js";
import { deleteConversation } from "./conversation_actions.js";
import { groupByDay } from "./conversation_order.js";
import { ConversationRow } from "./conversation_row.js";
import { conversations, listing, loadMore, view } from "./conversations.js";
import { useVirtualRows } from "./virtual_rows.js";

const ROW_PX = 40;
const HEADING_PX = 38;
/** So many rows before the end of what is read, the next page is asked for. */
const AHEAD = 40;

/** @param {{conversationId: string | null}} props */
export function ConversationList({ conversationId }) {
  const list = useStore(conversations);
  const shown = useStore(view);
  const { isLoading, hasMore, error } = useStore(listing);
  const scroller = useRef(/** @type {HTMLElement | null} */ (null));
  const today = useToday();
  const rows = useMemo(() => groupByDay(list, shown, new Date()), [list, shown, today]);
  const focus = useRowFocus(rows, conversationId);
  const virtual = useVirtualRows({
    scroller,
    rows,
    heightOf: (index) => (rows[index]?.kind === "heading" ? HEADING_PX : ROW_PX),
    kept: focus.index,
  });
  const items = virtual.getVirtualItems();
  const isNearEnd = (items.at(-1)?.index ?? 0) >= rows.length - AHEAD;
  useEffect(() => {
    if (isNearEnd && hasMore && !isLoading && !error) void loadMore();
  });
  useLayoutEffect(() => {
    scroller.current?.scrollTo(0, 0);
  }, [shown]);
  const go = (/** @type {number} */ index) => {
    virtual.scrollToIndex(index);
    focus.set(index);
  };
  return html`<div class="list-scroller" ref=${scroller} onKeyDown=${keysOf(rows, focus, go)}>
    <div class="list" role="list" aria-label=${t("Conversations")} aria-busy=${isLoading} style=${{ "--list-height": `${virtual.getTotalSize()}px` }}>
      ${items.map(({ index, start }) => {
        const row = rows[index];
        if (!row) return null;
        return html`<div class=${`list-row is-${row.kind}`} role="listitem" key=${row.key}
          aria-posinset=${index + 1} aria-setsize=${hasMore ? -1 : rows.length} style=${{ "--row-top": `${start}px` }}>
          ${row.kind === "heading"
            ? html`<h3>${row.label}</h3>`
            : html`<${ConversationRow}
                conversation=${row.conversation} isOpen=${row.key === conversationId} isReached=${index === focus.index}
                wantsFocus=${focus.isWanted(index)} onFocus=${() => focus.reach(index)}
              />`}
        </div>`;
      })}
    </div>
    <${ListEnd} isEmpty=${!rows.length} />
  </div>`;
}

/** @param {{isEmpty: boolean}} props */
function ListEnd({ isEmpty }) {
  const { isLoading, hasMore, error } = useStore(listing);
  const { kind, folderId } = useStore(view);
  if (error) {
    const text = error instanceof Error ? error.message : String(error);
    return html`<div class="list-end" role="alert">
      <p>${text}</p>
      <button type="button" onClick=${loadMore}>${t("Try again")}</button>
    </div>`;
  }
  if (isLoading || hasMore) return html`<p class="list-end">${t("Loading…")}</p>`;
  if (!isEmpty) return null;
  if (kind === "trash") return html`<p class="list-end">${t("The trash is empty.")}</p>`;
  if (kind === "archive") return html`<p class="list-end">${t("Nothing is archived.")}</p>`;
  if (folderId) return html`<p class="list-end">${t("This folder is empty. Move conversations here by their menu.")}</p>`;
  return html`<p class="list-end">${t("Your conversations will be listed here.")}</p>`;
}

/** The day, so that headings are right after midnight. */
function useToday() {
  const [today, setToday] = useState(() => new Date().toDateString());
  useEffect(() => {
    const timer = setInterval(() => setToday(new Date().toDateString()), 60_000);
    return () => clearInterval(timer);
  }, []);
  return today;
}

/** @typedef {ReturnType<typeof useRowFocus>} RowFocus */

/**
 * One row can be reached by Tab: the one that had the focus last, else the open one, else the first.
 * @param {import("./conversation_order.js").Row[]} rows
 * @param {string | null} conversationId
 */
function useRowFocus(rows, conversationId) {
  const [reached, setReached] = useState(/** @type {string | null} */ (null));
  const wanted = useRef(/** @type {string | null} */ (null));
  const indexOf = (/** @type {string | null} */ key) => (key ? rows.findIndex((row) => row.key === key) : -1);
  const index = useMemo(
    () => [reached, conversationId].map(indexOf).find((at) => at >= 0) ?? rows.findIndex((row) => row.kind === "conversation"),
    [rows, reached, conversationId],
  );
  useEffect(() => {
    wanted.current = null;
  });
  return {
    index,
    isWanted: (/** @type {number} */ at) => wanted.current !== null && rows[at]?.key === wanted.current,
    reach: (/** @type {number} */ at) => setReached(rows[at]?.key ?? null),
    set: (/** @type {number} */ at) => {
      const key = rows[at]?.key ?? null;
      wanted.current = key;
      setReached(key);
    },
  };
}

/**
 * @param {import("./conversation_order.js").Row[]} rows
 * @param {RowFocus} focus
 * @param {(index: number) => void} go
 */
function keysOf(rows, focus, go) {
  const isRow = (/** @type {number} */ at) => rows[at]?.kind === "conversation";
  const next = (/** @type {number} */ from, /** @type {number} */ step) => {
    let at = from + step;
    while (at >= 0 && at < rows.length && !isRow(at)) at += step;
    return isRow(at) ? at : from;
  };
  return (/** @type {KeyboardEvent} */ event) => {
    if (event.target instanceof HTMLInputElement || event.altKey || event.ctrlKey || event.metaKey) return;
    const at = focus.index;
    const moves = { ArrowDown: next(at, 1), ArrowUp: next(at, -1), Home: next(-1, 1), End: next(rows.length, -1) };
    const to = moves[/** @type {keyof typeof moves} */ (event.key)];
    const row = rows[at];
    if (to !== undefined) go(to);
    else if (event.key === "Delete" && row?.kind === "conversation" && !row.conversation.deleted_at) {
      const neighbour = next(at, 1) !== at ? next(at, 1) : next(at, -1);
      if (neighbour !== at) go(neighbour);
      void deleteConversation(row.conversation);
    } else return;
    event.preventDefault();
  };
}
