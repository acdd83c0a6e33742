// @ts-check
/** Shows maths by KaTeX as MathML, loaded for the first formula. What is no maths stays its source. */
import { toNodes } from "./markdown.js";

/** Characters above which a formula stays as it is. */
const MOST = 5_000;

/**
 * Replace the sources of formulas below an element, as `maths_syntax.js` left them.
 * @param {HTMLElement} root
 * @param {boolean} isOpen the text may still grow: a block that is not closed waits
 */
export async function showMaths(root, isOpen) {
  const found = [...root.querySelectorAll(".maths")].filter((each) => !(isOpen && each.classList.contains("is-open")));
  if (!found.length) return;
  const library = await loadKatex();
  for (const element of found) {
    const tex = element.textContent ?? "";
    if (tex.length <= MOST) element.replaceChildren(write(library, tex, element.tagName === "DIV"));
  }
}

/** @typedef {typeof import("katex").default} Katex */

/** @type {Promise<Katex> | null} */
let loading = null;

function loadKatex() {
  loading ??= import("../../../vendor/katex/katex.js").then(() => /** @type {any} */ (globalThis).katex);
  return /** @type {Promise<Katex>} */ (loading);
}

/** @param {Katex} library @param {string} tex @param {boolean} displayMode */
function write(library, tex, displayMode) {
  try {
    const options = { displayMode, output: /** @type {const} */ ("mathml"), trust: false, maxSize: 20, maxExpand: 200 };
    // The page's policy forbids style attributes.
    return toNodes(library.renderToString(tex, options).replace(/ style="[^"]*"/g, ""));
  } catch {
    const source = document.createElement("code");
    source.textContent = tex;
    return source;
  }
}
