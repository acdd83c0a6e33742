// @ts-check
/** What a person wrote: the text as it is, its files, and what can be done with it. */
import { html } from "../ui.js";
import { t } from "../words.js";
import { BranchArrows, DeleteButton } from "./branches.js";
import { CopyButton } from "./copying.js";
import { IconButton } from "./icons.js";
import { FileList } from "./files.js";
import { answerAgain } from "./turns.js";

/** Characters of a message that may need scrolling, for which it has to be reached by keys. */
const LONG = 1_000;

/**
 * @param {object} props
 * @param {import("./open_thread.js").OpenThread} props.thread
 * @param {import("./message.js").Item} props.item
 * @param {boolean} props.isLast
 * @param {() => void} props.onEdit
 */
export function Question({ thread, item, isLast, onEdit }) {
  const { message } = item;
  const files = (message.parts ?? []).filter((part) => part.type !== "text");
  const isLong = message.content.length > LONG;
  const isUnanswered = isLast && message.id && !thread.isAnswering;
  return html`${files.length > 0 && html`<${FileList} files=${files} />`}
    ${message.content && html`<div class="bubble" tabindex=${isLong ? 0 : null}>${message.content}</div>`}
    <footer class="message-foot">
      <${BranchArrows} thread=${thread} message=${message} />
      <div class="actions">
        ${message.content && html`<${CopyButton} text=${message.content} label=${t("Copy message")} />`}
        ${message.id && html`<${IconButton} icon="edit" label=${t("Edit")} onClick=${onEdit} />`}
        ${message.id && html`<${DeleteButton} thread=${thread} message=${message} />`}
      </div>
    </footer>
    ${isUnanswered && html`<button onClick=${() => answerAgain(thread, item)}>${t("Answer this")}</button>`}`;
}
