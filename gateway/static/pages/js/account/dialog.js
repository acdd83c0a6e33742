// @ts-check
/** The browser's own modal dialog: it keeps the focus, closes on Escape and gives the focus back. */
import { html, useEffect, useRef } from "../ui.js";
import { t } from "../words.js";
import { FormEnd, useSubmission } from "./form.js";

/**
 * @param {object} props
 * @param {string} props.id
 * @param {string} props.title
 * @param {() => void} props.onClose
 * @param {unknown} [props.children]
 */
export function Dialog({ id, title, onClose, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    const element = dialog.current;
    if (!element) return;
    const tell = () => close.current();
    element.showModal();
    element.addEventListener("close", tell);
    return () => {
      element.removeEventListener("close", tell);
      // A dialog that is merely removed does not give the focus back.
      element.close();
    };
  }, []);
  return html`<dialog ref=${dialog} class="dialog" aria-labelledby="${id}-title">
    <h2 id="${id}-title">${title}</h2>
    ${children}
  </dialog>`;
}

/**
 * Asks before something is done that cannot be undone.
 * @param {object} props
 * @param {string} props.id
 * @param {string} props.title
 * @param {string} props.action what the button says
 * @param {() => Promise<unknown>} props.act
 * @param {() => void} props.onClose
 * @param {unknown} [props.children] what will happen
 */
export function ConfirmDialog({ id, title, action, act, onClose, children }) {
  const form = useSubmission(async () => {
    await act();
    onClose();
  });
  return html`<${Dialog} id=${id} title=${title} onClose=${onClose}>
    <form onSubmit=${form.submit}>
      ${children}
      <${FormEnd} submission=${form} label=${action} isDanger>
        <button type="button" onClick=${onClose}>${t("Cancel")}</button>
      </${FormEnd}>
    </form>
  </${Dialog}>`;
}
