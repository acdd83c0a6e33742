// @ts-check
/** A message that is written otherwise: what it was stays, as another version. */
import { html, useLayoutEffect, useRef } from "../ui.js";
import { t } from "../words.js";
import { attempt } from "./branches.js";
import { useEnter } from "./composing.js";
import { growToFit } from "./growing.js";
import { editTurn } from "./turns.js";

/**
 * @param {object} props
 * @param {import("./open_thread.js").OpenThread} props.thread
 * @param {import("./message.js").Item} props.item
 */
export function Editor({ thread, item }) {
  const box = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const isQuestion = item.message.role === "user";
  const end = () => thread.editing.set(null);
  async function save() {
    const content = box.current?.value ?? "";
    if (!content.trim() || thread.isAnswering) return;
    end();
    if (content !== item.message.content) await attempt(thread, () => editTurn(thread, item, content));
  }
  useEnter(box, () => void save());
  useLayoutEffect(() => {
    const element = /** @type {HTMLTextAreaElement} */ (box.current);
    element.value = thread.editing.value?.text ?? item.message.content;
    growToFit(element);
    element.focus();
    element.setSelectionRange(element.value.length, element.value.length);
  }, []);
  const key = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    event.stopPropagation();
    end();
  };
  const input = () => {
    const element = /** @type {HTMLTextAreaElement} */ (box.current);
    growToFit(element);
    // It may be scrolled out of the page and come back.
    thread.editing.value = { key: item.key, text: element.value };
  };
  return html`<div class="editor">
    <textarea ref=${box} aria-label=${t("Edit message")} onInput=${input} onKeyDown=${key} />
    <div class="editor-ways">
      <button type="button" onClick=${end}>${t("Cancel")}</button>
      <button type="button" class="is-primary" onClick=${save}>${isQuestion ? t("Save and send") : t("Save")}</button>
    </div>
  </div>`;
}
