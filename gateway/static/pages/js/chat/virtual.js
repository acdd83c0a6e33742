// @ts-check
/** Only the rows that are in view are in the page: @tanstack/virtual-core for Preact. */
import "./production.js";
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
} from "../../../vendor/virtual-core/index.js";
import { useLayoutEffect, useReducer, useRef } from "../ui.js";

/**
 * @param {object} options
 * @param {number} options.count
 * @param {() => HTMLElement | null} options.getScrollElement
 * @param {(index: number) => number} options.estimateSize
 * @param {(index: number) => string} options.getItemKey
 * @param {number} options.overscan
 * @param {{current: HTMLElement | null}} rows which gets `--rows-height`, of all; its child that has those in view
 *   gets `--rows-start`
 * @returns {Virtualizer<HTMLElement, HTMLElement>}
 */
export function useVirtualizer(options, rows) {
  const [, render] = useReducer((/** @type {number} */ renders) => renders + 1, 0);
  const all = /** @type {any} */ ({
    ...options,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    // What comes before a message that is read, or grows there, does not move it.
    anchorTo: "end",
    // What grows at the end is followed, or not, by `following.js`.
    scrollEndThreshold: -1,
    onChange: render,
  });
  const kept = useRef(/** @type {Virtualizer<HTMLElement, HTMLElement> | null} */ (null));
  const virtualizer = (kept.current ??= new Virtualizer(all));
  virtualizer.setOptions(all);
  useLayoutEffect(() => virtualizer._didMount(), []);
  useLayoutEffect(() => {
    // Before it scrolls, which the height before would bound.
    rows.current?.style.setProperty("--rows-height", `${virtualizer.getTotalSize()}px`);
    const inView = /** @type {HTMLElement | null | undefined} */ (rows.current?.firstElementChild);
    inView?.style.setProperty("--rows-start", `${virtualizer.getVirtualItems()[0]?.start ?? 0}px`);
    virtualizer._willUpdate();
  });
  return virtualizer;
}
