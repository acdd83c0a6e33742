// @ts-check
/** The box to write in. The browser holds its text: nothing is rendered for a key. */
import { useStore } from "../store.js";
import { html, useEffect, useMemo, useRef, useState } from "../ui.js";
import { t } from "../words.js";
import { AttachButton, Attachments, useDroppedFiles } from "./attachments.js";
import { attempt } from "./branches.js";
import { isTouchDevice, useEnter } from "./composing.js";
import { useDraft } from "./draft_box.js";
import { chooseFollowing, followsAnswers } from "./following.js";
import { growToFit } from "./growing.js";
import { Icon } from "./icons.js";
import { pasteLongText } from "./pasting.js";
import { sendMessage } from "./turns.js";
import { Uploads } from "./uploads.js";

/** @typedef {import("./open_thread.js").OpenThread} OpenThread */

/** @param {{thread: OpenThread}} props */
export function Composer({ thread }) {
  const { notice, runningKey } = useStore(thread.view);
  const box = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const [isEmpty, setIsEmpty] = useState(true);
  const uploads = useMemo(() => new Uploads(), [thread]);
  const isUploading = useStore(uploads.list, () => uploads.isBusy);
  const hasFiles = useStore(uploads.list, () => uploads.parts.length > 0);
  const refused = useStore(uploads.list, () => uploads.refused.map((each) => each.name).join(", "));
  const [isHeld, setHeld] = useState(false);
  const isOver = useDroppedFiles(uploads);
  const draft = useDraft(thread, box, uploads, noteChange);

  function noteChange() {
    const element = /** @type {HTMLTextAreaElement} */ (box.current);
    growToFit(element);
    setIsEmpty(!element.value.trim());
  }

  async function send() {
    const element = /** @type {HTMLTextAreaElement} */ (box.current);
    const content = element.value.trim();
    const files = uploads.parts;
    if ((!content && !files.length) || thread.isAnswering || uploads.isBusy) return;
    setHeld(uploads.refused.length > 0);
    if (uploads.refused.length) return;
    element.value = "";
    noteChange();
    draft.hold({ text: content, files });
    uploads.clear();
    if (await sendMessage(thread, content, files)) return;
    draft.giveBack({ text: content, files });
  }

  useEnter(box, () => void send());
  useFocus(thread, box);
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    void send();
  };
  return html`<div class="composer">
    ${notice && html`<p class="notice is-warning" role="alert">${notice.message}</p>`}
    ${isHeld && refused && html`<p class="notice is-warning" role="alert">
      ${t("Nothing was sent: {files} could not be attached. Remove it, then send without it.", { files: refused })}
    </p>`}
    ${isOver && html`<p class="notice drop-hint">${t("Drop the files to attach them.")}</p>`}
    <${Attachments} uploads=${uploads} />
    <form class="composer-box" onSubmit=${submit}>
      <${AttachButton} uploads=${uploads} />
      <textarea
        ref=${box}
        rows="1"
        aria-label=${t("Message")}
        placeholder=${hasFiles ? t("What about these files?") : t("Write a message")}
        enterkeyhint=${isTouchDevice() ? "enter" : "send"}
        onInput=${noteChange}
        onPaste=${pasteLongText}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => editLast(event, thread)}
      />
      ${runningKey ? html`<${StopButton} thread=${thread} />` : html`<${SendButton} disabled=${(isEmpty && !hasFiles) || isUploading} />`}
    </form>
    <${Foot} />
  </div>`;
}

/** Where there is room for it. */
function Foot() {
  const follows = useStore(followsAnswers);
  const choose = (/** @type {any} */ event) => chooseFollowing(event.target.checked);
  return html`<div class="composer-foot hint">
    <span>${t("Enter sends, Shift+Enter adds a line.")}</span>
    <label><input type="checkbox" checked=${follows} onChange=${choose} /> ${t("Follow answers to their end")}</label>
  </div>`;
}

/** @param {{disabled: boolean}} props */
function SendButton({ disabled }) {
  const label = t("Send");
  return html`<button type="submit" class="is-icon is-primary round" aria-label=${label} title=${label} disabled=${disabled}>
    <${Icon} name="send" />
  </button>`;
}

/** @param {{thread: OpenThread}} props */
function StopButton({ thread }) {
  const label = t("Stop");
  const stop = () => void attempt(thread, () => thread.stop());
  return html`<button type="button" class="is-icon round is-stop" aria-label=${label} title=${label} onClick=${stop}>
    <${Icon} name="stop" />
  </button>`;
}

/** Arrow up in an empty box edits what one wrote last. @param {KeyboardEvent} event @param {OpenThread} thread */
function editLast(event, thread) {
  const box = /** @type {HTMLTextAreaElement} */ (event.target);
  if (event.key !== "ArrowUp" || event.isComposing || box.value || thread.isAnswering) return;
  const own = thread.view.value.items.filter((item) => item.message.role === "user" && item.message.id);
  const last = own.at(-1);
  if (!last) return;
  event.preventDefault();
  thread.editing.set({ key: last.key, text: last.message.content });
}

/**
 * One writes at once, but where a keyboard would cover the screen.
 * @param {OpenThread} thread
 * @param {{current: HTMLTextAreaElement | null}} box
 */
function useFocus(thread, box) {
  const isEditing = useStore(thread.editing, (editing) => editing !== null);
  useEffect(() => {
    if (!isEditing && !isTouchDevice() && document.activeElement === document.body) box.current?.focus();
  }, [thread, isEditing]);
}
