// @ts-check
/** Search in what was said: the box above the list, and what it found. */
import { ApiError, askJson } from "../api.js";
import { Store, useStore } from "../store.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { formatDate, t, tn } from "../words.js";
import { titleOf } from "./conversation_actions.js";
import { closeDrawer } from "./drawer.js";
import { Icon } from "./icons.js";
import { cutByMatches, findInTitle } from "./search_marks.js";

/** @typedef {{text: string, matches: [number, number][]}} Snippet */
/**
 * @typedef {object} Hit
 * @property {{id: string, title: string, archived: boolean}} conversation
 * @property {string | null} message_id null: its title has it
 * @property {string | null} role
 * @property {string} created_at
 * @property {Snippet} snippet
 */
/**
 * `next` asks for what follows; null at the end.
 * @typedef {{hits: Hit[], next: string | null, isIncomplete: boolean, titlesOnly: boolean}} Found
 */

/** After the last key, before the server is asked. */
const PAUSE_MS = 250;
const MOST_TITLES = 50;
/** A page of the server's may have no hits although more follow: so many are read before the reader is asked. */
const MOST_EMPTY_PAGES = 5;

export const searchText = new Store("");

export function SearchBox() {
  const text = useStore(searchText);
  return html`<div class="search" role="search">
    <${Icon} name="search" />
    <input
      type="search" aria-label=${t("Search in conversations")} placeholder=${t("Search")} value=${text} maxlength="200" autocomplete="off"
      onInput=${(/** @type {any} */ event) => searchText.set(event.target.value)}
      onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && !event.isComposing && searchText.set("")}
    />
  </div>`;
}

export function SearchResults() {
  const text = useStore(searchText).trim();
  const { found, error, retry, goOn } = useSearch(text);
  if (error) {
    return html`<div class="list-scroller"><div class="list-end" role="alert">
      <p>${error}</p>
      <button type="button" onClick=${retry}>${t("Try again")}</button>
    </div></div>`;
  }
  return html`<div class="list-scroller" aria-busy=${!found}>
    <p class="found-count" role="status">${found ? countOf(found) : t("Searching…")}</p>
    <ul class="found" aria-label=${t("Found")}>
      ${found?.hits.map((hit) => html`<${HitRow} hit=${hit} key=${hit.message_id ?? hit.conversation.id} />`)}
    </ul>
    ${found?.next && html`<p class="list-end"><button type="button" onClick=${goOn}>${t("Show more")}</button></p>`}
    ${found?.titlesOnly && html`<p class="hint list-end">${t("Only titles were searched.")}</p>`}
    ${found?.isIncomplete && html`<p class="hint list-end">${t("Older messages are still being prepared for searches.")}</p>`}
  </div>`;
}

/** @param {Found} found */
function countOf({ hits, next }) {
  if (next) return tn("The first {count} result", "The first {count} results", hits.length);
  if (!hits.length) return t("Nothing was found.");
  return tn("{count} result", "{count} results", hits.length);
}

/** @param {{hit: Hit}} props */
function HitRow({ hit }) {
  const { conversation, message_id: messageId, snippet, role } = hit;
  const who = { user: t("You"), assistant: t("Answer") }[role ?? ""] ?? "";
  return html`<li><a class="hit" href=${`${location.pathname}#${conversation.id}${messageId ? `/${messageId}` : ""}`} onClick=${closeDrawer}>
    <span class="hit-title">${messageId ? titleOf(/** @type {any} */ (conversation)) : html`<${Marked} snippet=${snippet} />`}</span>
    ${messageId && html`<span class="hit-text"><${Marked} snippet=${snippet} /></span>`}
    <span class="hit-about">
      ${[who, formatDate(hit.created_at, { dateStyle: "medium" }), conversation.archived && t("Archived")].filter(Boolean).join(" · ")}
    </span>
  </a></li>`;
}

/** @param {{snippet: Snippet}} props */
function Marked({ snippet }) {
  return cutByMatches(snippet).map(({ text, isMatch }) => (isMatch ? html`<mark>${text}</mark>` : text));
}

/** @param {string} text */
function useSearch(text) {
  const [found, setFound] = useState(/** @type {Found | null} */ (null));
  const [error, setError] = useState("");
  const [attempt, setAttempt] = useState(0);
  const asking = useRef(new AbortController());
  const read = async (/** @type {Found | null} */ before) => {
    const { signal } = asking.current;
    try {
      const more = await findMessages(text, before?.next ?? null, signal);
      setFound({ ...more, hits: [...(before?.hits ?? []), ...more.hits] });
    } catch (refusal) {
      if (!signal.aborted) setError(refusal instanceof Error ? refusal.message : String(refusal));
    }
  };
  useEffect(() => {
    asking.current = new AbortController();
    setError("");
    const timer = setTimeout(() => void read(null), PAUSE_MS);
    return () => {
      clearTimeout(timer);
      asking.current.abort();
    };
  }, [text, attempt]);
  return { found, error, retry: () => setAttempt(attempt + 1), goOn: () => void read(found) };
}

/** Whether the gateway has an index of messages; one without it answers 404. */
let hasIndex = true;

/** @param {string} text @param {string | null} after @param {AbortSignal} signal @returns {Promise<Found>} */
async function findMessages(text, after, signal) {
  try {
    if (hasIndex) return await readPages(text, after, signal);
  } catch (refusal) {
    if (!(refusal instanceof ApiError && refusal.status === 404)) throw refusal;
    hasIndex = false;
  }
  return findTitles(text, after, signal);
}

/** @param {string} text @param {string | null} after @param {AbortSignal} signal @returns {Promise<Found>} */
async function readPages(text, after, signal) {
  for (let next = after, pages = 1; ; pages += 1) {
    const query = new URLSearchParams({ q: text, ...(next && { after: next }) });
    const page = await askJson("GET", `/api/conversations/search?${query}`, { signal });
    next = page.next ?? null;
    if (page.data.length || !next || pages === MOST_EMPTY_PAGES) {
      return { hits: page.data, next, isIncomplete: page.incomplete ?? false, titlesOnly: false };
    }
  }
}

/** @param {string} text @param {string | null} after @param {AbortSignal} signal @returns {Promise<Found>} */
async function findTitles(text, after, signal) {
  const query = new URLSearchParams({ q: text, limit: String(MOST_TITLES), ...(after && { after }) });
  const page = await askJson("GET", `/api/conversations?${query}`, { signal });
  const hits = page.data.map((/** @type {import("./conversations.js").Conversation} */ conversation) => ({
    conversation,
    message_id: null,
    role: null,
    created_at: conversation.updated_at,
    snippet: findInTitle(titleOf(conversation), text),
  }));
  return { hits, next: page.has_more ? page.last_id : null, isIncomplete: false, titlesOnly: true };
}
