// @ts-check
/** Dialogs over the page: the browser keeps the focus inside, and gives it back. One at a time. */
import { Store, useStore } from "../store.js";
import { html, useLayoutEffect, useRef, useState } from "../ui.js";
import { t } from "../words.js";
import { useEnter } from "./enter.js";
import { Icon } from "./icons.js";

/** @typedef {ReturnType<typeof html>} Rendered */

/** @type {Store<{render: () => Rendered, cancel: () => void} | null>} */
const opened = new Store(/** @type {any} */ (null));

/**
 * Show a dialog in place of any other. `render` makes a Dialog; `cancel` hears that it was closed.
 * @param {() => Rendered} render
 * @param {() => void} [cancel]
 */
export function openDialog(render, cancel = () => {}) {
  closeDialog();
  opened.set({ render, cancel });
}

export function closeDialog() {
  const dialog = opened.value;
  opened.set(null);
  dialog?.cancel();
}

/** Where the page's dialog stands. */
export function DialogHost() {
  const dialog = useStore(opened);
  return dialog && dialog.render();
}

/**
 * @param {object} props
 * @param {string} props.title
 * @param {string} [props.className]
 * @param {unknown} [props.children]
 */
export function Dialog({ title, className = "", children }) {
  const element = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useLayoutEffect(() => {
    const dialog = /** @type {HTMLDialogElement} */ (element.current);
    const before = /** @type {HTMLElement | null} */ (document.activeElement);
    dialog.showModal();
    const first = /** @type {HTMLElement | null} */ (dialog.querySelector("[data-autofocus]"));
    first?.focus();
    return () => {
      dialog.close();
      if (before?.isConnected) before.focus();
    };
  }, []);
  const onCancel = (/** @type {Event} */ event) => {
    if (event.target !== element.current) return;
    event.preventDefault();
    closeDialog();
  };
  const onPointerDown = (/** @type {Event} */ event) => event.target === element.current && closeDialog();
  return html`<dialog
    class=${`dialog ${className}`} ref=${element} aria-labelledby="dialog-title"
    onCancel=${onCancel} onPointerDown=${onPointerDown}
  >
    <div class="dialog-body">
      <header class="dialog-head">
        <h2 id="dialog-title">${title}</h2>
        <button type="button" class="is-plain is-icon" aria-label=${t("Close")} onClick=${closeDialog}><${Icon} name="close" /></button>
      </header>
      ${children}
    </div>
  </dialog>`;
}

/**
 * Ask before something is done that cannot be undone.
 * @param {{title: string, text: string, action: string, isDanger?: boolean}} question
 * @returns {Promise<boolean>}
 */
export function askToConfirm({ title, text, action, isDanger = false }) {
  return new Promise((resolve) => {
    const accept = () => {
      resolve(true);
      closeDialog();
    };
    openDialog(
      () => html`<${Dialog} title=${title}>
        <p>${text}</p>
        <div class="dialog-actions">
          <button type="button" class=${isDanger ? "is-danger" : "is-primary"} onClick=${accept}>${action}</button>
          <button type="button" data-autofocus onClick=${closeDialog}>${t("Cancel")}</button>
        </div>
      <//>`,
      () => resolve(false),
    );
  });
}

/**
 * Ask for a short text. null: it was closed.
 * @param {{title: string, label: string, value?: string, action: string, maxLength: number}} question
 * @returns {Promise<string | null>}
 */
export function askForText(question) {
  return new Promise((resolve) => {
    const accept = (/** @type {string} */ text) => {
      resolve(text);
      closeDialog();
    };
    openDialog(() => html`<${TextDialog} question=${question} onAccept=${accept} />`, () => resolve(null));
  });
}

/** @param {{question: {title: string, label: string, value?: string, action: string, maxLength: number}, onAccept: (text: string) => void}} props */
function TextDialog({ question, onAccept }) {
  const [text, setText] = useState(question.value ?? "");
  const box = useRef(/** @type {HTMLInputElement | null} */ (null));
  const accept = () => {
    const written = box.current?.value.trim();
    if (written) onAccept(written);
  };
  const enter = useEnter(accept);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    accept();
  };
  return html`<${Dialog} title=${question.title}>
    <form onSubmit=${submit}>
      <label for="dialog-text">${question.label}</label>
      <input
        id="dialog-text" type="text" ref=${box} data-autofocus autocomplete="off" maxlength=${question.maxLength} value=${text}
        onInput=${(/** @type {any} */ event) => setText(event.target.value)}
        onKeyDown=${enter.onKeyDown} oncompositionend=${enter.onCompositionEnd}
      />
      <div class="dialog-actions">
        <button type="submit" class="is-primary" disabled=${!text.trim()}>${question.action}</button>
        <button type="button" onClick=${closeDialog}>${t("Cancel")}</button>
      </div>
    </form>
  <//>`;
}
