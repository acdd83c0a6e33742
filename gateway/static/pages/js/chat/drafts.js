// @ts-check
/** What was written and not sent yet: it survives reload, signing out and a send that failed. */
import { getToken } from "../api.js";

const PREFIX = "draft";
/** Drafts that nobody came back to are removed, the oldest first. */
const MOST = 50;

/**
 * @typedef {object} Draft
 * @property {string} text
 * @property {import("./message.js").Part[]} files which the server has
 */

/** Whose drafts they are: a browser may be shared. Empty: that is not known, and nothing is kept. */
let reader = "";

/** To be awaited once before drafts are read. */
export async function knowReader() {
  if (reader) return;
  const claims = (await getToken()).split(".")[1] ?? "";
  const padded = claims.replace(/-/g, "+").replace(/_/g, "/");
  try {
    reader = String(JSON.parse(atob(padded)).user_id ?? "");
  } catch {
    reader = "";
  }
}

/** @param {string | null} conversationId */
function keyOf(conversationId) {
  return [PREFIX, reader, conversationId ?? "new"].join(":");
}

/** @param {string | null} conversationId @returns {Draft} */
export function readDraft(conversationId) {
  try {
    const { text = "", files = [] } = JSON.parse((reader && localStorage.getItem(keyOf(conversationId))) || "{}");
    return { text, files };
  } catch {
    return { text: "", files: [] };
  }
}

/** @param {string | null} conversationId @param {Draft} draft removed where it is empty */
export function saveDraft(conversationId, { text, files }) {
  if (!reader) return;
  const key = keyOf(conversationId);
  try {
    if (!text && !files.length) localStorage.removeItem(key);
    else localStorage.setItem(key, JSON.stringify({ text, files, at: Date.now() }));
    removeOldest();
  } catch {
    // The browser's storage is full or forbidden: the text stays in the box.
  }
}

function removeOldest() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(`${PREFIX}:`));
  if (keys.length <= MOST) return;
  const aged = keys.map((key) => ({ key, at: JSON.parse(localStorage.getItem(key) ?? "{}").at ?? 0 }));
  aged.sort((one, other) => one.at - other.at);
  for (const { key } of aged.slice(0, aged.length - MOST)) localStorage.removeItem(key);
}
