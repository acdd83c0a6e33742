// @ts-check
/** The rows of a long list that are in view. */
import "./production.js";
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "../../../vendor/virtual-core/index.js";
import { useLayoutEffect, useMemo, useState } from "../ui.js";

const OVERSCAN = 12;

/**
 * @param {object} options
 * @param {{current: HTMLElement | null}} options.scroller
 * @param {readonly {key: string}[]} options.rows
 * @param {(index: number) => number} options.heightOf in pixels
 * @param {number} options.kept the index of a row that stays in the page, as the focus is on it; -1 for none
 * @returns {Virtualizer<HTMLElement, HTMLElement>}
 */
export function useVirtualRows({ scroller, rows, heightOf, kept }) {
  const [, render] = useState(0);
  const keyOf = useMemo(() => (/** @type {number} */ index) => rows[index]?.key ?? index, [rows]);
  /** @type {import("../../../vendor/virtual-core/index.js").VirtualizerOptions<HTMLElement, HTMLElement>} */
  const options = {
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: heightOf,
    getItemKey: keyOf,
    overscan: OVERSCAN,
    scrollToFn: elementScroll,
    observeElementRect,
    observeElementOffset,
    rangeExtractor: (range) => inView(range, kept),
    onChange: () => render((count) => count + 1),
  };
  const [virtualizer] = useState(() => new Virtualizer(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => virtualizer._willUpdate());
  return virtualizer;
}

/** @param {import("../../../vendor/virtual-core/index.js").Range} range @param {number} kept */
function inView({ startIndex, endIndex, overscan, count }, kept) {
  const first = Math.max(0, startIndex - overscan);
  const last = Math.min(count - 1, endIndex + overscan);
  const indexes = Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => first + at);
  if (kept >= 0 && kept < first) indexes.unshift(kept);
  if (kept > last && kept < count) indexes.push(kept);
  return indexes;
}
