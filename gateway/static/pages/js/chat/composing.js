// @ts-check
/**
 * Enter in a box where an input method composes. What it means depends on the script:
 * - Hangul is composed while it is typed, and Enter both ends the last syllable and sends. The browser reports it
 *   before the syllable is in the text, some of them once more afterwards: it is sent once, when it is.
 * - Kana and Pinyin are converted, and Enter chooses what is offered: nothing is sent.
 * Safari ends the composition before it reports the key, whose code is 229 then.
 */
import { useEffect, useRef } from "../ui.js";

const PROCESSED_BY_INPUT_METHOD = 229;
const HANGUL = /^[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff]+$/;

/** @param {string} text */
export function isHangul(text) {
  return HANGUL.test(text.trim());
}

/**
 * Calls `send` when Enter in the box means that, when its text is complete. Shift and Enter breaks the line, and on
 * devices without a keyboard Enter does: they have the button.
 * @param {{current: HTMLTextAreaElement | null}} box
 * @param {() => void} send
 */
export function useEnter(box, send) {
  const latest = useRef(send);
  latest.current = send;
  useEffect(() => {
    const element = box.current;
    return element ? listenForEnter(element, () => latest.current()) : undefined;
  }, []);
}

/** @param {HTMLTextAreaElement} box @param {() => void} send @returns {() => void} which ends it */
function listenForEnter(box, send) {
  let composed = "";
  let isWanted = false;
  let hasSent = false;
  const sendOnce = () => {
    if (!isWanted) return;
    isWanted = false;
    hasSent = true;
    send();
  };
  const listeners = {
    compositionstart: () => (composed = ""),
    compositionupdate: (/** @type {CompositionEvent} */ event) => (composed = event.data),
    compositionend(/** @type {CompositionEvent} */ event) {
      composed = event.data || composed;
      // Enter may have chosen a Chinese character for a syllable.
      if (isWanted && isHangul(event.data)) setTimeout(sendOnce);
      else isWanted = false;
    },
    keydown(/** @type {KeyboardEvent} */ event) {
      hasSent = false;
      isWanted = false;
      if (!isSendingKey(event)) return;
      const isComposing = event.isComposing || event.keyCode === PROCESSED_BY_INPUT_METHOD;
      if (isComposing && !isHangul(composed)) return;
      event.preventDefault();
      isWanted = true;
      if (!event.isComposing) sendOnce();
    },
    beforeinput(/** @type {InputEvent} */ event) {
      // The line break of the Enter that sends.
      const isBreak = event.inputType === "insertLineBreak" || event.inputType === "insertParagraph";
      if (isBreak && (isWanted || hasSent)) event.preventDefault();
    },
    keyup: () => (hasSent = false),
  };
  return listen(box, listeners);
}

/** Enter, or with Ctrl or Cmd on any device. @param {KeyboardEvent} event */
function isSendingKey(event) {
  const isCommanded = event.ctrlKey || event.metaKey;
  // Input methods of Windows hide which key they took.
  const isEnter = event.key === "Enter" || (event.key === "Process" && event.code === "Enter");
  return isEnter && !event.shiftKey && !event.altKey && (isCommanded || !isTouchDevice());
}

/** Whether it is written with the fingers on the screen. */
export function isTouchDevice() {
  return matchMedia("(hover: none) and (pointer: coarse)").matches;
}

/** @param {HTMLElement} element @param {Record<string, (event: any) => void>} listeners */
function listen(element, listeners) {
  for (const [name, listener] of Object.entries(listeners)) element.addEventListener(name, listener);
  return () => {
    for (const [name, listener] of Object.entries(listeners)) element.removeEventListener(name, listener);
  };
}
