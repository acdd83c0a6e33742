// @ts-check
/** The box to write in. The browser holds its text: nothing is rendered for a key. */
import { useStore } from "../store.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { t } from "../words.js";
import { isTouchDevice, useEnter } from "./composing.js";
import { useDraft } from "./draft_box.js";
import { growToFit } from "./growing.js";
import { Icon } from "./icons.js";
import { sendMessage } from "./turns.js";

/** @typedef {import("./open_thread.js").OpenThread} OpenThread */

/** @param {{thread: OpenThread}} props */
export function Composer({ thread }) {
  const { notice, runningKey } = useStore(thread.view);
  const box = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const [isEmpty, setIsEmpty] = useState(true);
  const draft = useDraft(thread, box, noteChange);

  function noteChange() {
    const element = /** @type {HTMLTextAreaElement} */ (box.current);
    growToFit(element);
    setIsEmpty(!element.value.trim());
  }

  async function send() {
    const element = /** @type {HTMLTextAreaElement} */ (box.current);
    const content = element.value.trim();
    if (!content || thread.isAnswering) return;
    element.value = "";
    noteChange();
    draft.hold(content);
    const isTaken = await sendMessage(thread, content, []);
    if (!isTaken) draft.giveBack(content);
  }

  useEnter(box, () => void send());
  useFocus(thread, box);
  return html`<div class="composer">
    ${notice && html`<p class="notice is-warning" role="alert">${notice.message}</p>`}
    <form class="composer-box" onSubmit=${(/** @type {Event} */ event) => (event.preventDefault(), void send())}>
      <textarea
        ref=${box}
        rows="1"
        aria-label=${t("Message")}
        placeholder=${t("Write a message")}
        enterkeyhint=${isTouchDevice() ? "enter" : "send"}
        onInput=${noteChange}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => editLast(event, thread)}
      />
      ${
        runningKey
          ? html`<button type="button" class="is-icon round is-stop" aria-label=${t("Stop")} title=${t("Stop")} onClick=${() => void thread.stop()}><${Icon} name="stop" /></button>`
          : html`<button type="submit" class="is-icon is-primary round" aria-label=${t("Send")} title=${t("Send")} disabled=${isEmpty}><${Icon} name="send" /></button>`
      }
    </form>
  </div>`;
}

/** Arrow up in an empty box edits what one wrote last. @param {KeyboardEvent} event @param {OpenThread} thread */
function editLast(event, thread) {
  const box = /** @type {HTMLTextAreaElement} */ (event.target);
  if (event.key !== "ArrowUp" || event.isComposing || box.value || thread.isAnswering) return;
  const own = thread.view.value.items.filter((item) => item.message.role === "user" && item.message.id);
  const last = own.at(-1);
  if (!last) return;
  event.preventDefault();
  thread.editing.set(last.key);
}

/**
 * One writes at once, but where a keyboard would cover the screen.
 * @param {OpenThread} thread
 * @param {{current: HTMLTextAreaElement | null}} box
 */
function useFocus(thread, box) {
  const editing = useStore(thread.editing);
  useEffect(() => {
    if (!editing && !isTouchDevice() && document.activeElement === document.body) box.current?.focus();
  }, [thread, editing]);
}
