// @ts-check
/** Colours for code, by highlight.js, which is loaded for the first code that has a language. */
import { toNodes } from "./markdown.js";

/** Characters above which code stays as it is: colouring it would hold up the page. */
const MOST = 60_000;

/** @param {string} code @param {string} language @returns {Promise<DocumentFragment | null>} null: no colours */
export async function highlight(code, language) {
  if (code.length > MOST) return null;
  const { default: library } = await import("../../../vendor/highlightjs/highlight.js");
  if (!library.getLanguage(language)) return null;
  return toNodes(library.highlight(code, { language, ignoreIllegals: true }).value);
}
