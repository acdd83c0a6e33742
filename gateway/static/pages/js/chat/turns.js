// @ts-check
/** What a reader does to a conversation: ask, ask again, go on, edit, choose a branch, delete one. */
import { ApiError } from "../api.js";
import { describeFailure } from "./failures.js";
import { changeItem } from "./items.js";
import { makeId, makeItem, makeMessage, makeSaid } from "./message.js";
import { activateBranch, deleteBranch, editMessage, makeTurnBody, postAgain, postTurn } from "./thread_calls.js";

/** @typedef {import("./open_thread.js").OpenThread} OpenThread @typedef {import("./message.js").Item} Item */

/**
 * @typedef {object} Turn what the server may not have taken
 * @property {string[]} keys of its items, the answer last
 * @property {(signal: AbortSignal) => Promise<Response>} ask the same for each attempt
 * @property {string} [replaces] the id of the message in whose place the answer is written
 */

/** By the key of its answer. @type {WeakMap<OpenThread, Map<string, Turn>>} */
const untaken = new WeakMap();

/**
 * Ask something new.
 * @param {OpenThread} thread
 * @param {string} content
 * @param {import("./message.js").Part[]} files
 * @returns {Promise<boolean>} false: it is in no list, and has to stay in the box
 */
export async function sendMessage(thread, content, files) {
  const clientMessageId = makeId();
  const fileIds = files.flatMap((file) => file.file_id ?? []);
  const body = makeTurnBody({ content, fileIds, conversationId: thread.id, clientMessageId });
  const texts = content ? [{ type: /** @type {const} */ ("text"), text: content }] : [];
  const parts = files.length ? [...texts, ...files] : null;
  const question = makeItem(makeMessage({ role: "user", content, parts }), { key: clientMessageId });
  const answer = makeAnswer();
  thread.change({ items: [...thread.view.value.items, question, answer] });
  const ask = (/** @type {AbortSignal} */ signal) => postTurn(body, signal);
  return attempt(thread, { keys: [question.key, answer.key], ask }, answer);
}

function makeAnswer(replaces = "") {
  return makeItem(makeMessage({ status: "streaming" }), { key: makeId(), live: makeSaid(), replaces });
}

/** @param {OpenThread} thread @param {Turn} turn @param {Item} answer */
async function attempt(thread, turn, answer) {
  const turns = untaken.get(thread) ?? new Map();
  untaken.set(thread, turns.set(answer.key, turn));
  thread.change({ notice: null });
  const error = await thread.answer(answer, turn.ask);
  if (error instanceof ApiError && error.code === "conversation_busy") {
    dropTurn(thread, answer.key);
    thread.change({ notice: describeFailure(error) });
    return false;
  }
  const stored = thread.view.value.items.find((item) => item.key === answer.key);
  if (!error || stored?.message.id) turns.delete(answer.key);
  return true;
}

/** Whether the server may never have seen it. @param {OpenThread} thread @param {string} answerKey */
export function isUntaken(thread, answerKey) {
  return Boolean(untaken.get(thread)?.has(answerKey));
}

/**
 * Take a turn out of the list that the server has not taken.
 * @param {OpenThread} thread
 * @param {string} answerKey
 * @returns {import("./message.js").Message | null} what was asked
 */
export function dropTurn(thread, answerKey) {
  const keys = untaken.get(thread)?.get(answerKey)?.keys ?? [];
  untaken.get(thread)?.delete(answerKey);
  const { items } = thread.view.value;
  thread.change({ items: items.filter((item) => !keys.includes(item.key)) });
  return items.find((item) => item.key === keys[0] && item.message.role === "user")?.message ?? null;
}

/**
 * Try again what failed. What the server had taken all the same is not asked twice.
 * @param {OpenThread} thread
 * @param {Item} item the answer
 */
export async function tryAgain(thread, item) {
  const turn = untaken.get(thread)?.get(item.key);
  if (!turn) return answerAgain(thread, item);
  const answer = { ...item, failure: null, live: makeSaid(), replaces: turn.replaces ?? "" };
  const { items } = thread.view.value;
  const replaced = items.findIndex((each) => each.message.id && each.message.id === answer.replaces);
  const own = items.findIndex((each) => each.key === item.key);
  const kept = items.filter((each, place) => each.key === item.key || replaced < 0 || place < replaced || place > own);
  thread.change({ items: changeItem(kept, item.key, answer) });
  await attempt(thread, turn, answer);
}

/**
 * Another answer beside this one, or an answer to a question that has none.
 * @param {OpenThread} thread
 * @param {Item} item
 * @param {string} [model]
 */
export async function answerAgain(thread, item, model) {
  const { id } = item.message;
  const conversationId = thread.id;
  if (!conversationId || !id) return;
  const { items } = thread.view.value;
  const place = items.findIndex((each) => each.key === item.key);
  const kept = items.slice(0, item.message.role === "user" ? place + 1 : place);
  const replaces = items[kept.length]?.message.id ?? "";
  const answer = makeAnswer(replaces);
  thread.change({ items: [...kept, answer] });
  const ask = (/** @type {AbortSignal} */ signal) => postAgain(conversationId, id, "regenerate", signal, model);
  await attempt(thread, { keys: [answer.key], ask, replaces }, answer);
}

/** Go on with an answer that was cut. @param {OpenThread} thread @param {Item} item */
export async function continueAnswer(thread, item) {
  const { id, content, reasoning } = item.message;
  const conversationId = thread.id;
  if (!conversationId) return;
  const live = makeSaid({ content, reasoning, thoughtUntil: Date.now() });
  const answer = { ...item, live, failure: null };
  thread.change({ items: changeItem(thread.view.value.items, item.key, answer), notice: null });
  const error = await thread.answer(answer, (signal) => postAgain(conversationId, id, "continue", signal));
  if (error) thread.change({ notice: describeFailure(error) });
}

/**
 * Say it otherwise, and have that answered; an edited answer stays as it is written.
 * @param {OpenThread} thread
 * @param {Item} item
 * @param {string} content
 */
export async function editTurn(thread, item, content) {
  if (!thread.id) return;
  const edited = await editMessage(thread.id, item.message.id, content);
  await thread.load();
  const shown = thread.view.value.items.find((each) => each.message.id === edited.id);
  if (shown && item.message.role === "user") await answerAgain(thread, shown);
  else await thread.refresh();
}

/** @param {OpenThread} thread @param {string} messageId */
export async function chooseBranch(thread, messageId) {
  const { id } = thread;
  if (id) await thread.read(() => activateBranch(id, messageId));
  await thread.refresh();
}

/** @param {OpenThread} thread @param {string} messageId */
export async function removeBranch(thread, messageId) {
  if (thread.id) await deleteBranch(thread.id, messageId);
  await thread.refresh();
}
