// @ts-check
/**
 * Markdown as nodes of the page. A model's HTML stays text; DOMPurify looks at the result all the same. This is
 * the one place where HTML becomes nodes.
 */
import purify from "../../../vendor/dompurify/purify.js";
import MarkdownIt from "../../../vendor/markdown-it/markdown-it.js";
import { t } from "../words.js";
import { addMaths } from "./maths_syntax.js";

/** Nesting above which a text is shown as it is: nobody wrote it to be read. */
const MOST_LEVELS = 60;

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true });
markdown.use(addMaths);

/** @typedef {(tokens: any[], place: number, options: any, env: any, self: any) => string} Rule */

/** @type {Rule} */
function openLink(tokens, place, options, _env, self) {
  tokens[place].attrSet("target", "_blank");
  tokens[place].attrSet("rel", "noopener noreferrer nofollow");
  return self.renderToken(tokens, place, options);
}

/** An image that a model names would tell its server who reads this: it is a link. @type {Rule} */
function writeImage(tokens, place) {
  const token = tokens[place];
  const escape = markdown.utils.escapeHtml;
  const href = escape(String(token.attrGet("src") ?? ""));
  const text = escape(t("Image: {name}", { name: token.content || token.attrGet("src") || "" }));
  return `<a href="${href}" target="_blank" rel="noopener noreferrer nofollow">${text}</a>`;
}

/** Its alignment as a class: the page's policy forbids style attributes. @type {Rule} */
function openCell(tokens, place, options, _env, self) {
  const token = tokens[place];
  const alignment = String(token.attrGet("style") ?? "").replace("text-align:", "");
  token.attrs = alignment ? [["class", `is-${alignment}`]] : null;
  return self.renderToken(tokens, place, options);
}

Object.assign(markdown.renderer.rules, {
  link_open: openLink,
  image: writeImage,
  th_open: openCell,
  td_open: openCell,
  table_open: () => '<div class="table-scroll" tabindex="0"><table>',
  table_close: () => "</table></div>",
});

/**
 * @typedef {object} Block one block of a text, from a line to another
 * @property {number} start
 * @property {number} end
 * @property {"html" | "code" | "text"} kind
 * @property {string} html
 * @property {string} code
 * @property {string} language
 */

/**
 * The blocks of a text, in order. `env` carries the definitions of links from one part of a text to the next.
 * @param {string} source
 * @param {Record<string, any>} env
 * @returns {Block[]}
 */
export function parseBlocks(source, env) {
  const tokens = markdown.parse(source, env);
  const blocks = [];
  for (let first = 0; first < tokens.length; ) {
    let last = first;
    while (last < tokens.length - 1 && !(tokens[last].level === 0 && tokens[last].nesting <= 0)) last += 1;
    const part = tokens.slice(first, last + 1);
    blocks.push(makeBlock(part, env));
    first = last + 1;
  }
  return blocks;
}

/** @param {ReturnType<typeof markdown.parse>} tokens @param {Record<string, any>} env @returns {Block} */
function makeBlock(tokens, env) {
  const [start, end] = tokens[0].map ?? [0, 0];
  const block = { start, end, kind: /** @type {const} */ ("html"), html: "", code: "", language: "" };
  const isFence = tokens[0].type === "fence" || tokens[0].type === "code_block";
  if (isFence) {
    const { content, info } = tokens[0];
    return { ...block, kind: "code", code: withoutLastBreak(content), language: languageOf(info) };
  }
  if (tokens.some((token) => token.level > MOST_LEVELS)) return { ...block, kind: "text" };
  return { ...block, html: markdown.renderer.render(tokens, /** @type {any} */ (markdown).options, env) };
}

/** @param {string} info of a fence */
export function languageOf(info) {
  return info.trim().split(/[\s{]/)[0].toLowerCase();
}

/** @param {string} code */
function withoutLastBreak(code) {
  return code.endsWith("\n") ? code.slice(0, -1) : code;
}


/** @param {string} html of this module, or of a library that colours code or writes maths @returns {DocumentFragment} */
export function toNodes(html) {
  return /** @type {any} */ (purify).sanitize(html, {
    RETURN_DOM_FRAGMENT: true,
    USE_PROFILES: { html: true, mathMl: true },
    ADD_ATTR: ["target"],
    FORBID_ATTR: ["style", "id", "name"],
    FORBID_TAGS: ["style", "form", "input", "img", "video", "audio", "iframe"],
  });
}
