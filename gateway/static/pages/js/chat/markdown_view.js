// @ts-check
/** A text in Markdown, as it comes: finished blocks stay as they are. */
import { html, render, useEffect, useLayoutEffect, useMemo, useReducer, useRef } from "../ui.js";
import { BlockReader } from "./blocks.js";
import { CodeBlock } from "./code_block.js";
import { toNodes } from "./markdown.js";
import { showMaths } from "./maths.js";

/** @typedef {import("./blocks.js").ReadBlock} ReadBlock */

/** Sections from which those out of sight are left out of layout, which guesses their heights. */
const MANY_SECTIONS = 8;
/** Characters of a text whose blocks are kept for when it comes into sight again. */
const LONG = 20_000;

/** @type {WeakMap<object, BlockReader>} */
const kept = new WeakMap();

/**
 * @param {object} props
 * @param {string} props.source
 * @param {boolean} props.isRunning
 * @param {object} props.owner whose text it is
 */
export function Markdown({ source, isRunning, owner }) {
  const [pieces, readOn] = useReducer((/** @type {number} */ count) => count + 1, 0);
  const reader = useRef(/** @type {BlockReader | null} */ (null));
  const blocks = (reader.current ??= kept.get(owner) ?? new BlockReader());
  const hasMore = useMemo(() => blocks.read(source, isRunning), [source, isRunning, pieces]);
  useEffect(() => {
    if (source.length > LONG && !isRunning) kept.set(owner, blocks);
    if (!hasMore) return;
    const timer = setTimeout(readOn);
    return () => clearTimeout(timer);
  }, [hasMore, pieces, owner, isRunning]);
  if (!source) return null;
  const { sections, open } = blocks;
  return html`<div class="markdown ${sections.length > MANY_SECTIONS ? "is-huge" : ""}">
    ${sections.map((section, place) => html`<${Section} key=${place} blocks=${section} />`)}
    ${open && html`<div class="md-section is-open"><${Block} key=${open.kind} block=${open} /></div>`}
  </div>`;
}

/** @param {{blocks: ReadBlock[]}} props */
function Section({ blocks }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => element.current?.style.setProperty("--section-height", `${guessHeight(blocks)}px`), [blocks]);
  return useMemo(
    () => html`<div class="md-section" ref=${element}>
      ${blocks.map((block, place) => html`<${Block} key=${place} block=${block} />`)}
    </div>`,
    [blocks],
  );
}

/** In pixels, before it is laid out. @param {ReadBlock[]} blocks */
function guessHeight(blocks) {
  const heights = blocks.map(({ kind, source }) => {
    const lines = source.trim().split("\n");
    if (kind === "code") return 60 + 21 * (lines.length - 2);
    return 12 + 24 * lines.reduce((rows, line) => rows + Math.ceil((line.length + 1) / 95), 0);
  });
  return heights.reduce((sum, height) => sum + height, 0);
}

/** @param {{block: ReadBlock}} props */
function Block({ block }) {
  if (block.kind === "code") {
    return html`<${CodeBlock} code=${block.code} language=${block.language} isOpen=${block.isOpen} />`;
  }
  if (block.kind === "text") return html`<pre class="md-plain">${block.source}</pre>`;
  return html`<${HtmlBlock} source=${block.html} isOpen=${block.isOpen} />`;
}

/** @param {{source: string, isOpen: boolean}} props */
function HtmlBlock({ source, isOpen }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    const root = /** @type {HTMLElement} */ (element.current);
    root.replaceChildren(toNodes(source));
    const mounted = [...root.querySelectorAll("pre > code")].map(mountCode);
    void showMaths(root, isOpen);
    return () => mounted.forEach((holder) => render(null, holder));
  }, [source, isOpen]);
  return html`<div class="md" ref=${element} />`;
}

/** Code within a list or a quotation gets its buttons as well. @param {Element} code */
function mountCode(code) {
  const holder = document.createElement("div");
  const language = [...code.classList].find((name) => name.startsWith("language-"))?.slice(9) ?? "";
  const text = (code.textContent ?? "").replace(/\n$/, "");
  code.parentElement?.replaceWith(holder);
  render(html`<${CodeBlock} code=${text} language=${language} isOpen=${false} />`, holder);
  return holder;
}
