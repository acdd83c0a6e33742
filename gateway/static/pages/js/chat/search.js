// @ts-check
/** Search in what was said: the box above the list, and what it found. */
import { ApiError, askJson } from "../api.js";
import { Store, useStore } from "../store.js";
import { html, useEffect, useState } from "../ui.js";
import { formatDate, t, tn } from "../words.js";
import { titleOf } from "./conversation-actions.js";
import { drawer } from "./drawer.js";
import { Icon } from "./icons.js";
import { cutByMatches, findInTitle } from "./search-marks.js";

/** @typedef {{text: string, matches: [number, number][]}} Snippet */
/**
 * @typedef {object} Hit
 * @property {{id: string, title: string, archived: boolean}} conversation
 * @property {string | null} message_id null: its title has it
 * @property {string} role
 * @property {string} created_at
 * @property {Snippet} snippet
 */
/** @typedef {{hits: Hit[], isCut: boolean, titlesOnly: boolean}} Found */

/** After the last key, before the server is asked. */
const PAUSE_MS = 250;
const MOST_TITLES = 50;

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
  const { found, error, retry } = useSearch(text);
  if (error) {
    return html`<div class="list-scroller"><div class="list-end" role="alert">
      <p>${error}</p>
      <button type="button" onClick=${retry}>${t("Try again")}</button>
    </div></div>`;
  }
  const count = found?.hits.length ?? 0;
  return html`<div class="list-scroller" aria-busy=${!found}>
    <p class="found-count" role="status">${found ? countOf(found) : t("Searching…")}</p>
    <ul class="found" aria-label=${t("Found")}>
      ${count > 0 && found?.hits.map((hit) => html`<${HitRow} hit=${hit} key=${hit.message_id ?? hit.conversation.id} />`)}
    </ul>
    ${found?.titlesOnly && html`<p class="hint list-end">${t("Only titles were searched.")}</p>`}
  </div>`;
}

/** @param {Found} found */
function countOf({ hits, isCut }) {
  if (!hits.length) return t("Nothing was found.");
  if (isCut) return tn("The first {count} result", "The first {count} results", hits.length);
  return tn("{count} result", "{count} results", hits.length);
}

/** @param {{hit: Hit}} props */
function HitRow({ hit }) {
  const { conversation, message_id: messageId, snippet, role } = hit;
  const who = { user: t("You"), assistant: t("Answer") }[role] ?? "";
  return html`<li><a class="hit" href=${`#${conversation.id}${messageId ? `/${messageId}` : ""}`} onClick=${() => drawer.set(false)}>
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
  useEffect(() => {
    const controller = new AbortController();
    setError("");
    const timer = setTimeout(async () => {
      try {
        setFound(await findMessages(text, controller.signal));
      } catch (refusal) {
        if (!controller.signal.aborted) setError(refusal instanceof Error ? refusal.message : String(refusal));
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [text, attempt]);
  return { found, error, retry: () => setAttempt(attempt + 1) };
}

/** Whether the gateway has an index of messages; one without it answers 404. */
let hasIndex = true;

/** @param {string} text @param {AbortSignal} signal @returns {Promise<Found>} */
async function findMessages(text, signal) {
  const q = encodeURIComponent(text);
  try {
    if (hasIndex) {
      const { data, truncated } = await askJson("GET", `/api/conversations/search?q=${q}`, { signal });
      return { hits: data, isCut: truncated, titlesOnly: false };
    }
  } catch (refusal) {
    if (!(refusal instanceof ApiError && refusal.status === 404)) throw refusal;
    hasIndex = false;
  }
  const page = await askJson("GET", `/api/conversations?limit=${MOST_TITLES}&q=${q}`, { signal });
  const hits = page.data.map((/** @type {import("./conversations.js").Conversation} */ conversation) => ({
    conversation,
    message_id: null,
    role: "",
    created_at: conversation.updated_at,
    snippet: findInTitle(titleOf(conversation), text),
  }));
  return { hits, isCut: page.has_more, titlesOnly: true };
}
