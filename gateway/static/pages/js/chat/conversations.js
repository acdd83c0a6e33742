// @ts-check
/** The conversations that the page knows of, the one used last first. */
import { ApiError, askJson } from "../api.js";
import { Store } from "../store.js";
import { isInView, joinPage, placeConversation } from "./conversation_order.js";
import { announceChange } from "./other_tabs.js";

/**
 * A conversation as `GET /api/conversations` tells it.
 * @typedef {object} Conversation
 * @property {string} id
 * @property {string} title
 * @property {string} title_source "first": the beginning of its first message; "model", "user"
 * @property {string} model
 * @property {number} version
 * @property {boolean} pinned
 * @property {boolean} archived
 * @property {string | null} folder_id
 * @property {string} system_prompt
 * @property {string} created_at
 * @property {string} updated_at
 * @property {string | null} deleted_at
 */

/**
 * Which of them the list shows. A folder has none that are archived.
 * @typedef {{kind: "current" | "archive" | "trash", folderId: string | null}} View
 */

/** @typedef {{isLoading: boolean, hasMore: boolean, error: unknown}} Listing */

const PAGE_SIZE = 100;
/** A title of the model's comes some seconds after the first answer; after that it is not waited for. */
const TITLE_WAITS_MS = [1_500, 3_000, 6_000, 12_000];

const CURRENT = /** @type {View} */ ({ kind: "current", folderId: null });
const UNREAD = /** @type {Listing} */ ({ isLoading: false, hasMore: true, error: null });

/** Those of the view, as far as they are read: the pinned ones, then the others. */
export const conversations = new Store(/** @type {Conversation[]} */ ([]));
export const view = new Store(CURRENT);
export const listing = new Store(UNREAD);
/** The one that the page shows, wherever it is; null for a new one. */
export const opened = new Store(/** @type {Conversation | null} */ (null));

/** Counts views, so that a page of one that was left is not shown. */
let generation = 0;
/** @type {string | null} */
let openedId = null;

/** @param {Partial<View>} wanted */
export function showView(wanted) {
  view.set({ ...CURRENT, ...wanted });
  generation += 1;
  conversations.set([]);
  listing.set(UNREAD);
  void loadMore();
}

/** Read the next page, unless one is being read or there is none. */
export async function loadMore() {
  if (listing.value.isLoading || !listing.value.hasMore) return;
  const mine = generation;
  listing.set({ isLoading: true, hasMore: true, error: null });
  try {
    const known = conversations.value.filter((each) => !isOnTop(each));
    const [pinned, page] = await Promise.all([known.length ? [] : readPinned(), readPage(known.at(-1)?.id)]);
    if (mine !== generation) return;
    conversations.set((before) => joinPage(before, [...pinned, ...page.data], view.value));
    listing.set({ isLoading: false, hasMore: page.has_more, error: null });
  } catch (error) {
    if (mine !== generation) return;
    if (error instanceof ApiError && error.param === "after") showView(view.value);
    else listing.set({ isLoading: false, hasMore: true, error });
  }
}

/** Read the beginning of the list anew: other devices change it as well. Raises ApiError. */
export async function refreshList() {
  const { isLoading, hasMore } = listing.value;
  if (isLoading || (hasMore && !conversations.value.length)) return;
  const mine = generation;
  const [pinned, page] = await Promise.all([readPinned(), readPage()]);
  if (mine !== generation) return;
  const fresh = new Set([...pinned, ...page.data].map((each) => each.id));
  const last = page.data.at(-1);
  conversations.set((before) => {
    // What the page should have had and has not was moved or deleted.
    const isAfter = (/** @type {Conversation} */ each) => page.has_more && last && each.updated_at < last.updated_at;
    const kept = before.filter((each) => fresh.has(each.id) || (!isOnTop(each) && isAfter(each)));
    return joinPage(kept, [...pinned, ...page.data], view.value);
  });
}

/** @param {Conversation} conversation whether it is in the group above the days */
function isOnTop(conversation) {
  return view.value.kind === "current" && conversation.pinned;
}

/** @returns {Promise<Conversation[]>} */
async function readPinned() {
  if (view.value.kind !== "current") return [];
  /** @type {Conversation[]} */
  const all = [];
  for (let after = ""; ; after = /** @type {Conversation} */ (all.at(-1)).id) {
    const page = await askJson("GET", `/api/conversations?${query({ pinned: "true", after })}`);
    all.push(...page.data);
    if (!page.has_more) return all;
  }
}

/** @param {string} [after] */
function readPage(after = "") {
  const { kind } = view.value;
  const filters = { current: { pinned: "false" }, archive: { archived: "true" }, trash: { deleted: "true" } };
  return askJson("GET", `/api/conversations?${query({ ...filters[kind], after })}`);
}

/** @param {Record<string, string>} filters */
function query(filters) {
  const all = { ...filters, folder_id: view.value.folderId ?? "", limit: String(PAGE_SIZE) };
  return new URLSearchParams(Object.entries(all).filter(([, value]) => value));
}

/**
 * Show a conversation as it is now, where it belongs.
 * @param {Conversation} conversation
 */
export function applyConversation(conversation) {
  const { hasMore } = listing.value;
  conversations.set((before) => placeConversation(before, conversation, view.value, hasMore));
  if (conversation.id === openedId) opened.set(conversation.deleted_at ? null : conversation);
}

/** @param {string} id of one that is gone for good */
export function dropConversation(id) {
  conversations.set((before) => before.filter((each) => each.id !== id));
  if (id === openedId) opened.set(null);
}

/**
 * The page shows this one: its title and settings are wanted wherever it is in the list.
 * @param {string | null} id
 */
export async function openConversation(id) {
  openedId = id;
  opened.set(conversations.value.find((each) => each.id === id) ?? null);
  if (id && !opened.value) await rereadConversation(id).catch(() => {});
}

/**
 * @param {string} id
 * @returns {Promise<Conversation | null>} null where there is none by now
 */
export async function rereadConversation(id) {
  try {
    const { messages: _, ...conversation } = await askJson("GET", `/api/conversations/${id}?limit=1`);
    applyConversation(conversation);
    return conversation;
  } catch (error) {
    if (!(error instanceof ApiError && error.status === 404)) throw error;
    dropConversation(id);
    return null;
  }
}

/**
 * Something was said in it, or it is new: read it anew and put it first. Called by the thread.
 * @param {string} id
 */
export async function refreshConversation(id) {
  const conversation = await rereadConversation(id).catch(() => null);
  announceChange(id);
  if (conversation?.title_source === "first") void awaitTitle(id, conversation.created_at);
}

/** @type {Set<string>} */
const awaited = new Set();

/** @param {string} id @param {string} createdAt */
async function awaitTitle(id, createdAt) {
  const isNew = Date.now() - Date.parse(createdAt) < 10 * 60_000;
  if (!isNew || awaited.has(id)) return;
  awaited.add(id);
  for (const wait of TITLE_WAITS_MS) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    const conversation = await rereadConversation(id).catch(() => null);
    if (!conversation) break;
    if (conversation.title_source !== "first") {
      announceChange(id);
      break;
    }
  }
  awaited.delete(id);
}

/** @param {Conversation} conversation @param {View} [shown] whether the list shows it */
export function isShown(conversation, shown = view.value) {
  return isInView(conversation, shown);
}
