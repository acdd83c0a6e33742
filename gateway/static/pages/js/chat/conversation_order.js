// @ts-check
/** Which conversations a list has, in which order, and under which headings. */
import { language, t } from "../words.js";

/** @typedef {import("./conversations.js").Conversation} Conversation */
/** @typedef {import("./conversations.js").View} View */
/**
 * @typedef {{kind: "heading", key: string, label: string} | {kind: "conversation", key: string, conversation: Conversation}} Row
 */

const DAY_MS = 86_400_000;

/** @param {Conversation} conversation @param {View} view */
export function isInView(conversation, view) {
  if (view.kind === "trash") return conversation.deleted_at !== null;
  if (conversation.deleted_at) return false;
  if (view.kind === "archive") return conversation.archived;
  return !conversation.archived && (view.folderId === null || conversation.folder_id === view.folderId);
}

/** @param {Conversation} conversation @param {View} view @returns {string} */
export function momentOf(conversation, view) {
  return (view.kind === "trash" && conversation.deleted_at) || conversation.updated_at;
}

/** @param {View} view */
function orderOf(view) {
  return (/** @type {Conversation} */ one, /** @type {Conversation} */ other) => {
    if (view.kind === "current" && one.pinned !== other.pinned) return one.pinned ? -1 : 1;
    const [mine, theirs] = [momentOf(one, view), momentOf(other, view)];
    if (mine !== theirs) return mine < theirs ? 1 : -1;
    return one.id < other.id ? 1 : -1;
  };
}

/**
 * The list with a page of it: what is in both is as the page has it.
 * @param {Conversation[]} before
 * @param {Conversation[]} page
 * @param {View} view
 */
export function joinPage(before, page, view) {
  const fresh = new Map(page.map((each) => [each.id, each]));
  return [...before.filter((each) => !fresh.has(each.id)), ...fresh.values()].sort(orderOf(view));
}

/**
 * The list with this conversation where it belongs, or without it.
 * @param {Conversation[]} before
 * @param {Conversation} conversation
 * @param {View} view
 * @param {boolean} hasMore whether the list goes on: what belongs behind its end comes with a later page
 */
export function placeConversation(before, conversation, view, hasMore) {
  const others = before.filter((each) => each.id !== conversation.id);
  if (!isInView(conversation, view)) return others;
  const placed = joinPage(others, [conversation], view);
  const isBehindEnd = hasMore && placed.at(-1) === conversation && others.length === before.length;
  return isBehindEnd ? others : placed;
}

/**
 * @param {Conversation[]} list in its order
 * @param {View} view
 * @param {Date} now
 * @returns {Row[]}
 */
export function groupByDay(list, view, now) {
  /** @type {Row[]} */
  const rows = [];
  const name = namesOfDays(now);
  let last = "";
  for (const conversation of list) {
    const isOnTop = view.kind === "current" && conversation.pinned;
    const label = isOnTop ? t("Pinned") : name(momentOf(conversation, view));
    if (label !== last) rows.push({ kind: "heading", key: `heading ${label}`, label });
    last = label;
    rows.push({ kind: "conversation", key: conversation.id, conversation });
  }
  return rows;
}

/** @param {Date} now @returns {(moment: string) => string} */
function namesOfDays(now) {
  const today = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const month = new Intl.DateTimeFormat(language, { month: "long" });
  const monthAndYear = new Intl.DateTimeFormat(language, { month: "long", year: "numeric" });
  return (moment) => {
    const date = new Date(moment);
    const time = date.getTime();
    if (time >= today) return t("Today");
    if (time >= today - DAY_MS) return t("Yesterday");
    if (time >= today - 7 * DAY_MS) return t("Previous 7 days");
    return (date.getFullYear() === now.getFullYear() ? month : monthAndYear).format(date);
  };
}
