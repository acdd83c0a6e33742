// @ts-check
/** What can be done with an answer. */
import { useStore } from "../store.js";
import { html, useState } from "../ui.js";
import { t } from "../words.js";
import { BranchArrows, DeleteButton } from "./branches.js";
import { choices } from "./choices.js";
import { CopyButton } from "./copying.js";
import { FeedbackButtons, FeedbackForm } from "./feedback.js";
import { IconButton } from "./icons.js";
import { nameOfProfile } from "./model_status.js";
import { answerAgain, continueAnswer } from "./turns.js";

/** @typedef {import("./message.js").Message} Message */

/**
 * @param {object} props
 * @param {import("./open_thread.js").OpenThread} props.thread
 * @param {import("./message.js").Item} props.item
 * @param {boolean} props.isLast
 * @param {() => void} props.onEdit
 */
export function AnswerActions({ thread, item, isLast, onEdit }) {
  const [isAsking, setIsAsking] = useState(false);
  const isBusy = useStore(thread.view, (view) => view.runningKey !== null);
  const { message } = item;
  const goOn = () => void continueAnswer(thread, item);
  const canGoOn = isLast && isCut(message);
  const isEmpty = !message.content && !message.reasoning && !message.tool_calls?.length;
  return html`<footer class="message-foot">
      <${BranchArrows} thread=${thread} message=${message} />
      ${canGoOn && html`<button type="button" disabled=${isBusy} onClick=${goOn}>${t("Continue")}</button>`}
      <div class="actions">
        ${!isEmpty && html`<${CopyButton} text=${message.content} label=${t("Copy message")} />`}
        <${AgainButton} message=${message} isBusy=${isBusy} onAgain=${() => answerAgain(thread, item)} />
        ${!isEmpty && html`<${FeedbackButtons} thread=${thread} message=${message} onAsk=${() => setIsAsking(true)} />`}
        ${!isEmpty && html`<${IconButton} icon="edit" label=${t("Edit")} disabled=${isBusy} onClick=${onEdit} />`}
        <${DeleteButton} thread=${thread} message=${message} />
      </div>
    </footer>
    ${isAsking && html`<${FeedbackForm} thread=${thread} message=${message} onEnd=${() => setIsAsking(false)} />`}`;
}

/** By the model that is chosen now. @param {{message: Message, isBusy: boolean, onAgain: () => void}} props */
function AgainButton({ message, isBusy, onAgain }) {
  const model = useStore(choices, (chosen) => chosen.model);
  const isOther = model !== "current" && model !== message.model;
  const label = isOther ? t("Answer again with {model}", { model: nameOfProfile(model) }) : t("Answer again");
  return html`<${IconButton} icon="again" label=${label} disabled=${isBusy} onClick=${onAgain} />`;
}

/** Whether there is more to come of it. @param {Message} message */
function isCut({ content, finish_reason, status, error_code }) {
  const wasInterrupted = status === "cancelled" || error_code === "interrupted";
  return Boolean(content) && (finish_reason === "length" || wasInterrupted);
}
