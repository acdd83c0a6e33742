// @ts-check
/** A text in Markdown, as it comes: finished blocks stay as they are. */
import { html, render, useEffect, useLayoutEffect, useMemo, useReducer, useRef } from "../ui.js";
import { BlockReader } from "./blocks.js";
import { CodeBlock } from "./code_block.js";
import { toNodes } from "./markdown.js";
import { showMaths } from "./maths.js";

/** @typedef {import("./blocks.js").ReadBlock} ReadBlock */

/** @param {{source: string, isRunning: boolean}} props */
export function Markdown({ source, isRunning }) {
  const [pieces, readOn] = useReducer((/** @type {number} */ count) => count + 1, 0);
  const reader = useRef(/** @type {BlockReader | null} */ (null));
  const blocks = (reader.current ??= new BlockReader());
  const hasMore = useMemo(() => blocks.read(source, isRunning), [source, isRunning, pieces]);
  useEffect(() => {
    if (!hasMore) return;
    const timer = setTimeout(readOn);
    return () => clearTimeout(timer);
  }, [hasMore, pieces]);
  if (!source) return null;
  return html`<div class="markdown">
    ${blocks.sections.map((section, place) => html`<${Section} key=${place} blocks=${section} />`)}
    ${blocks.open && html`<div class="md-section is-open"><${Block} key=${blocks.open.kind} block=${blocks.open} /></div>`}
  </div>`;
}

/** @param {{blocks: ReadBlock[]}} props */
function Section({ blocks }) {
  return useMemo(
    () => html`<div class="md-section">${blocks.map((block, place) => html`<${Block} key=${place} block=${block} />`)}</div>`,
    [blocks],
  );
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
