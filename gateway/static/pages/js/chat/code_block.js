// @ts-check
/** Code: its language, buttons to copy and to wrap it, and colours once it is complete. */
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../ui.js";
import { t } from "../words.js";
import { CopyButton } from "./copying.js";
import { highlight } from "./highlighting.js";
import { IconButton } from "./icons.js";

/** Lines that are laid out, and skipped out of sight, together. */
const CHUNK_LINES = 200;

/** @param {{code: string, language: string, isOpen: boolean}} props */
export function CodeBlock({ code, language, isOpen }) {
  const [isWrapped, setIsWrapped] = useState(false);
  const coloured = useColours(code, language, isOpen);
  const wrap = () => setIsWrapped(!isWrapped);
  return html`<figure class="code ${isWrapped ? "is-wrapped" : ""}" aria-label=${t("Code")}>
    <figcaption>
      <span>${language || t("Text")}</span>
      <${IconButton} icon="wrap" label=${t("Wrap lines")} isPressed=${isWrapped} onClick=${wrap} />
      <${CopyButton} text=${code} label=${t("Copy code")} isWordy=${true} />
    </figcaption>
    <pre tabindex="0">${coloured ? html`<${Coloured} nodes=${coloured} />` : html`<${Plain} code=${code} />`}</pre>
  </figure>`;
}

/** @param {{code: string}} props */
function Plain({ code }) {
  const chunks = useMemo(() => cutLines(code), [code]);
  const parts = chunks.map((chunk, place) => html`<span class="code-chunk" key=${place}>${chunk}</span>`);
  return html`<code>${parts}</code>`;
}

/** @param {string} code @returns {string[]} */
function cutLines(code) {
  const chunks = [];
  let start = 0;
  for (let at = 0, lines = 0; at >= 0; ) {
    at = code.indexOf("\n", at);
    if (at < 0) break;
    at += 1;
    lines += 1;
    if (lines % CHUNK_LINES === 0) {
      chunks.push(code.slice(start, at));
      start = at;
    }
  }
  return [...chunks, code.slice(start)];
}

/** @param {{nodes: DocumentFragment}} props */
function Coloured({ nodes }) {
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => element.current?.replaceChildren(nodes.cloneNode(true)), [nodes]);
  return html`<code ref=${element} />`;
}

/** @param {string} code @param {string} language @param {boolean} isOpen */
function useColours(code, language, isOpen) {
  const [coloured, setColoured] = useState(/** @type {{code: string, nodes: DocumentFragment} | null} */ (null));
  useEffect(() => {
    if (isOpen || !language) return;
    let isGone = false;
    highlight(code, language).then((nodes) => !isGone && nodes && setColoured({ code, nodes }), () => {});
    return () => void (isGone = true);
  }, [code, language, isOpen]);
  return coloured?.code === code ? coloured.nodes : null;
}
