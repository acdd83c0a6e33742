// @ts-check
/** Enter in a line of text, with the keyboards of Korean, Japanese and Chinese. */
import { useRef } from "../ui.js";

const HANGUL = /[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]$/;

/**
 * Handlers for `onKeyDown` and `oncompositionend`, which Preact knows in lower case alone. Enter calls `accept` once. While a syllable of Hangul is composed it ends that first; while a candidate of
 * Japanese or Chinese is chosen it only confirms the candidate.
 * @param {() => void} accept
 */
export function useEnter(accept) {
  const isPending = useRef(false);
  return {
    onKeyDown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter" && event.keyCode !== 229) return;
      const isComposing = event.isComposing || event.keyCode === 229;
      isPending.current = isComposing && (event.key === "Enter" || event.code === "Enter");
      if (isComposing) return;
      // A form would be sent besides.
      event.preventDefault();
      accept();
    },
    onCompositionEnd: (/** @type {CompositionEvent} */ event) => {
      const isWanted = isPending.current && HANGUL.test(event.data);
      isPending.current = false;
      // When the box has the syllable.
      if (isWanted) setTimeout(accept);
    },
  };
}
