// @ts-check
/**
 * Maths in Markdown: `$…$` and `\(…\)` in a line, `$$…$$` and `\[…\]` as a block. They become elements that hold
 * their source; `maths.js` replaces it. What is not closed yet is no maths, but a block: that begins as one.
 */

/** @param {any} markdown markdown-it */
export function addMaths(markdown) {
  markdown.inline.ruler.before("escape", "maths", parseInline);
  markdown.block.ruler.before("fence", "maths", parseBlock, { alt: ["paragraph", "blockquote", "list"] });
  const escape = markdown.utils.escapeHtml;
  const write = (/** @type {any[]} */ tokens, /** @type {number} */ place) => {
    const { content, info, meta } = tokens[place];
    const classes = ["maths", info === "block" && "is-block", meta?.isOpen && "is-open"].filter(Boolean).join(" ");
    const tag = info === "block" ? "div" : "span";
    return `<${tag} class="${classes}">${escape(content)}</${tag}>`;
  };
  markdown.renderer.rules.maths_inline = write;
  markdown.renderer.rules.maths_block = write;
}

/** @param {any} state @param {boolean} silent */
function parseInline(state, silent) {
  const found = findInline(state.src, state.pos, state.posMax, (state.mathsUnclosed ??= {}));
  if (!found) return false;
  if (!silent) {
    const token = state.push("maths_inline", "", 0);
    token.content = found.tex;
    token.info = found.isBlock ? "block-in-line" : "";
  }
  state.pos = found.end;
  return true;
}

/**
 * @param {string} source
 * @param {number} start
 * @param {number} limit
 * @param {Record<string, number>} unclosed from where on a mark does not come any more, which is looked for once
 */
function findInline(source, start, limit, unclosed) {
  const two = source.slice(start, start + 2);
  if (two === "$$") return closedBy(source, start + 2, "$$", limit, unclosed);
  if (two === "\\[") return closedBy(source, start + 2, "\\]", limit, unclosed);
  if (two === "\\(") return closedBy(source, start + 2, "\\)", limit, unclosed);
  if (source[start] !== "$" || /\s/.test(source[start + 1] ?? " ")) return null;
  // As Pandoc: prices are no maths.
  for (let end = source.indexOf("$", start + 1); end > 0 && end < limit; end = source.indexOf("$", end + 1)) {
    if (source[end - 1] === "\\") continue;
    const isClosing = !/\s/.test(source[end - 1]) && !/\d/.test(source[end + 1] ?? "");
    return isClosing ? { tex: source.slice(start + 1, end), end: end + 1, isBlock: false } : null;
  }
  return null;
}

/** @param {string} source @param {number} start @param {string} mark @param {number} limit @param {Record<string, number>} unclosed */
function closedBy(source, start, mark, limit, unclosed) {
  if (start >= unclosed[mark]) return null;
  const end = source.indexOf(mark, start);
  if (end < 0) unclosed[mark] = start;
  if (end <= start || end + mark.length > limit) return null;
  return { tex: source.slice(start, end), end: end + mark.length, isBlock: mark !== "\\)" };
}

const MARKS = /** @type {const} */ ({ "$$": "$$", "\\[": "\\]" });

/** @param {any} state @param {number} startLine @param {number} endLine @param {boolean} silent */
function parseBlock(state, startLine, endLine, silent) {
  const first = lineOf(state, startLine).trim();
  const mark = /** @type {keyof typeof MARKS} */ (first.slice(0, 2));
  const closing = MARKS[mark];
  if (!closing) return false;
  const rest = first.slice(2);
  const closesAt = rest.indexOf(closing);
  if (closesAt >= 0 && rest.slice(closesAt + 2).trim()) return false; // words follow: it is in a line
  if (silent) return true;
  let line = startLine;
  let isOpen = closesAt < 0;
  const lines = [isOpen ? rest : rest.slice(0, closesAt)];
  while (isOpen && (line += 1) < endLine) {
    const text = lineOf(state, line);
    const end = text.indexOf(closing);
    isOpen = end < 0;
    lines.push(isOpen ? text : text.slice(0, end));
  }
  const token = state.push("maths_block", "", 0);
  Object.assign(token, { block: true, content: lines.join("\n").trim(), info: "block", meta: { isOpen } });
  state.line = Math.min(line + 1, endLine);
  token.map = [startLine, state.line];
  return true;
}

/** @param {any} state @param {number} line */
function lineOf(state, line) {
  return state.src.slice(state.bMarks[line] + state.tShift[line], state.eMarks[line]);
}
