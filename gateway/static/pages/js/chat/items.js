// @ts-check
/** How what the server answers becomes the list that the page shows. */
import { makeItem } from "./message.js";

/** @typedef {import("./message.js").Item} Item @typedef {import("./message.js").Message} Message */

/**
 * The items once a page of the end of the active branch was read. Those before the page stay, where it follows
 * them; an item that did not change stays the same object, so that it is not rendered again; one keeps its key.
 * What the page of the server does not have yet, as it is on its way or was refused, stays at the end; the page may
 * still have what an answer on its way replaces.
 * @param {Item[]} before
 * @param {Message[]} read
 * @returns {Item[]}
 */
export function mergeEnd(before, read) {
  const page = withoutReplaced(before, read);
  if (!page.length && read.length) return before;
  const known = new Map(before.filter((item) => item.message.id).map((item) => [item.message.id, item]));
  recogniseTurns(before, read, known);
  const first = before.findIndex((item) => item.message.id && item.message.id === page[0]?.id);
  const kept = first > 0 ? before.slice(0, first) : [];
  const merged = [...kept, ...page.map((message) => mergeOne(known.get(message.id), message))];
  const keys = new Set(merged.map((item) => item.key));
  return [...merged, ...before.filter((item) => isUnderWay(item) && !keys.has(item.key))];
}

/**
 * The page up to the message in whose place another one is being written: that one and what follows it are of the
 * branch that was left.
 * @param {Item[]} before
 * @param {Message[]} page
 */
function withoutReplaced(before, page) {
  const replaced = new Set(before.flatMap((item) => (isUnderWay(item) && item.replaces) || []));
  const end = page.findIndex((message) => replaced.has(message.id));
  return end < 0 ? page : page.slice(0, end);
}

/** @param {Item} item */
function isUnderWay(item) {
  return !item.message.id || item.live !== null;
}

/**
 * The turns that this page began are in the server's answer with ids which the page may not have been told yet:
 * an answer has its id from the stream, a question is known by its answer, also by the one that this replaces, and
 * both by what was asked.
 * @param {Item[]} before
 * @param {Message[]} page
 * @param {Map<string, Item>} known grows
 */
function recogniseTurns(before, page, known) {
  before.forEach((question, place) => {
    const answer = before[place + 1];
    if (question.message.id || question.message.role !== "user" || !answer) return;
    const id = answer.message.id || (answer.replaces ? "" : findAnswer(page, known, question.message.content));
    const own = page.find((message) => message.id === id);
    const stored = own ?? page.find((message) => message.id === answer.replaces);
    if (!stored) return;
    if (own) known.set(own.id, answer);
    if (stored.parent_id) known.set(stored.parent_id, question);
  });
}

/** @param {Message[]} page @param {Map<string, Item>} known @param {string} content */
function findAnswer(page, known, content) {
  const last = page.at(-1);
  const asked = page.find((message) => message.id === last?.parent_id);
  const isNew = last?.role === "assistant" && !known.has(last.id) && asked && !known.has(asked.id);
  return isNew && asked.content === content ? last.id : "";
}

/** @param {Item | undefined} item @param {Message} message @returns {Item} */
function mergeOne(item, message) {
  if (!item) return makeItem(message);
  if (item.live) return item.message.id ? item : { ...item, message: { ...item.message, id: message.id } };
  if (JSON.stringify(item.message) === JSON.stringify(message)) return item;
  return { ...item, message, failure: message.status === "error" ? item.failure : null };
}

/**
 * @param {Item[]} items
 * @param {string} key
 * @param {Partial<Item>} change
 */
export function changeItem(items, key, change) {
  return items.map((item) => (item.key === key ? { ...item, ...change } : item));
}
