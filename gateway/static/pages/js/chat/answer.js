// @ts-check
/** What a model wrote, while it comes and afterwards. */
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { t } from "../words.js";
import { AnswerActions } from "./answer_actions.js";
import { FailureNotice } from "./failure_notice.js";
import { describeStoredFailure } from "./failures.js";
import { Facts } from "./facts.js";
import { Markdown } from "./markdown_view.js";
import { Reasoning } from "./reasoning.js";
import { ToolCalls } from "./tool_calls.js";

/**
 * @typedef {object} AnswerProps
 * @property {import("./open_thread.js").OpenThread} thread
 * @property {import("./message.js").Item} item
 * @property {boolean} isLast
 * @property {() => void} onEdit
 */

/** @param {AnswerProps} props */
export function Answer(props) {
  const Body = props.item.live ? RunningAnswer : EndedAnswer;
  return html`<${Body} ...${props} />`;
}

/** @param {AnswerProps} props */
function RunningAnswer({ item }) {
  const said = useStore(/** @type {NonNullable<typeof item.live>} */ (item.live));
  const hasText = Boolean(said.content || said.reasoning || said.toolCalls.length);
  return html`${
    said.reasoning && html`<${Reasoning} text=${said.reasoning} startedAt=${said.startedAt} until=${said.thoughtUntil} isRunning=${!said.thoughtUntil} />`
  }
    <${Markdown} source=${said.content} isRunning=${true} />
    <${ToolCalls} calls=${said.toolCalls} />
    ${!hasText && html`<p class="waiting"><span class="dots" aria-hidden="true"><i /><i /><i /></span><span>${t("Waiting for the model…")}</span></p>`}
    ${said.isLost && html`<p class="notice is-warning" role="status">${t("The connection was lost. The answer goes on at the server, and is shown here as soon as it can be reached.")}</p>`}`;
}

/** @param {AnswerProps} props */
function EndedAnswer({ thread, item, isLast, onEdit }) {
  const { message } = item;
  const failure = item.failure ?? (message.status === "error" ? describeStoredFailure(message.error_code) : null);
  const isEmpty = !message.content && !message.reasoning && !message.tool_calls?.length;
  return html`${message.reasoning && html`<${Reasoning} text=${message.reasoning} />`}
    ${message.refusal && html`<p class="refusal">${t("The model refused.")}</p>`}
    <${Markdown} source=${message.content} isRunning=${false} />
    <${ToolCalls} calls=${message.tool_calls ?? []} />
    ${!failure && isEmpty && html`<p class="hint">${message.status === "cancelled" ? t("Stopped before anything was written.") : t("The model wrote nothing.")}</p>`}
    ${failure && html`<${FailureNotice} thread=${thread} item=${item} failure=${failure} />`}
    ${!failure && html`<${Ending} message=${message} />`}
    ${message.id && html`<${AnswerActions} thread=${thread} item=${item} isLast=${isLast} onEdit=${onEdit} />`}
    <${Facts} message=${message} thread=${thread} />`;
}

/** Why it ended before its end. @param {{message: import("./message.js").Message}} props */
function Ending({ message }) {
  if (message.status === "cancelled" && message.content) return html`<p class="hint">${t("Stopped.")}</p>`;
  if (message.finish_reason === "length") {
    return html`<p class="hint">${t("Cut at the bound on the length of answers.")}</p>`;
  }
  return null;
}
