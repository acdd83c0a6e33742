// @ts-check
/** Short notices at the edge of the page: what was done and how to undo it, what failed and how to try again. */
import { Store, useStore } from "../store.js";
import { html, useEffect, useLayoutEffect, useRef } from "../ui.js";
import { t } from "../words.js";
import { Icon } from "./icons.js";

/**
 * @typedef {object} Toast
 * @property {number} id
 * @property {string} text
 * @property {boolean} isError
 * @property {{label: string, run: () => void} | null} action
 */

/** Long enough to read, and to reach for "Undo" by keyboard. Errors stay until they are closed. */
const SHOWN_MS = 5_000;
const SHOWN_WITH_ACTION_MS = 10_000;
/** Longer by that, while the pointer or the focus is on it. */
const HELD_MS = 2_000;
const MOST_SHOWN = 3;

const toasts = new Store(/** @type {readonly Toast[]} */ ([]));
let lastId = 0;

/**
 * @param {string} text
 * @param {{action?: Toast["action"], isError?: boolean}} [options]
 */
export function showToast(text, { action = null, isError = false } = {}) {
  const toast = { id: (lastId += 1), text, isError, action };
  toasts.set((before) => [...before.filter((other) => other.text !== text || other.action), toast].slice(-MOST_SHOWN));
}

/**
 * Say what the server refused.
 * @param {unknown} error
 * @param {() => void} [retry]
 */
export function showError(error, retry) {
  if (error instanceof DOMException && error.name === "AbortError") return;
  const text = error instanceof Error ? error.message : String(error);
  showToast(text, { isError: true, action: retry ? { label: t("Try again"), run: retry } : null });
}

/** @param {number} id */
function closeToast(id) {
  toasts.set((before) => before.filter((toast) => toast.id !== id));
}

export function Toasts() {
  const shown = useStore(toasts);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    // In the top layer, and put there anew each time: else a dialog that was opened later covers it.
    const element = box.current;
    if (!element?.showPopover) return;
    if (element.matches(":popover-open")) element.hidePopover();
    element.showPopover();
  }, [shown]);
  useLayoutEffect(() => takeRoom(/** @type {HTMLElement} */ (box.current)), []);
  return html`<div class="toasts" popover="manual" ref=${box}>
    <div role="status">${shown.filter((toast) => !toast.isError).map((toast) => html`<${ToastBox} key=${toast.id} toast=${toast} />`)}</div>
    <div role="alert">${shown.filter((toast) => toast.isError).map((toast) => html`<${ToastBox} key=${toast.id} toast=${toast} />`)}</div>
  </div>`;
}

/**
 * The page below the header makes room for them: they cover no message, and not the box to write in.
 * @param {HTMLElement} box
 * @returns {() => void} which ends it
 */
function takeRoom(box) {
  const observer = new ResizeObserver(() =>
    document.documentElement.style.setProperty("--toasts-height", `${box.offsetHeight}px`),
  );
  observer.observe(box);
  return () => observer.disconnect();
}

/** @param {{toast: Toast}} props */
function ToastBox({ toast }) {
  const close = () => closeToast(toast.id);
  const isHeld = useRef(false);
  useEffect(() => {
    if (toast.isError) return undefined;
    let timer = setTimeout(function end() {
      if (isHeld.current) timer = setTimeout(end, HELD_MS);
      else close();
    }, toast.action ? SHOWN_WITH_ACTION_MS : SHOWN_MS);
    return () => clearTimeout(timer);
  }, []);
  const hold = (/** @type {boolean} */ held) => () => (isHeld.current = held);
  const act = () => {
    close();
    toast.action?.run();
  };
  return html`<div
    class=${toast.isError ? "toast is-error" : "toast"}
    onMouseEnter=${hold(true)} onMouseLeave=${hold(false)} onFocusIn=${hold(true)} onFocusOut=${hold(false)}
  >
    <span class="toast-text">${toast.text}</span>
    ${toast.action && html`<button type="button" class="toast-action" onClick=${act}>${toast.action.label}</button>`}
    <button type="button" class="is-plain is-icon" aria-label=${t("Close")} onClick=${close}><${Icon} name="close" /></button>
  </div>`;
}
