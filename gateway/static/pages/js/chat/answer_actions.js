// @ts-check
/** What can be done with an answer. */
import { html } from "../ui.js";
import { t } from "../words.js";
import { BranchArrows, DeleteButton } from "./branches.js";
import { CopyButton } from "./copying.js";
import { IconButton } from "./icons.js";
import { answerAgain, continueAnswer } from "./turns.js";

/**
 * @param {object} props
 * @param {import("./open_thread.js").OpenThread} props.thread
 * @param {import("./message.js").Item} props.item
 * @param {boolean} props.isLast
 * @param {() => void} props.onEdit
 */
export function AnswerActions({ thread, item, isLast, onEdit }) {
  const { message } = item;
  const isBusy = thread.isAnswering;
  return html`<footer class="message-foot">
    <${BranchArrows} thread=${thread} message=${message} />
    ${isLast && isCut(message) && html`<button type="button" disabled=${isBusy} onClick=${() => continueAnswer(thread, item)}>${t("Continue")}</button>`}
    <div class="actions">
      <${CopyButton} text=${message.content} label=${t("Copy message")} />
      <${IconButton} icon="again" label=${t("Answer again")} disabled=${isBusy} onClick=${() => answerAgain(thread, item)} />
      <${IconButton} icon="edit" label=${t("Edit")} disabled=${isBusy} onClick=${onEdit} />
      <${DeleteButton} thread=${thread} message=${message} />
    </div>
  </footer>`;
}

/** Whether there is more to come of it. @param {import("./message.js").Message} message */
function isCut({ content, finish_reason, status, error_code }) {
  const wasInterrupted = status === "cancelled" || error_code === "interrupted";
  return Boolean(content) && (finish_reason === "length" || wasInterrupted);
}
