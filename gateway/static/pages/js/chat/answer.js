// @ts-check
/** What a model wrote, while it comes and afterwards. */
import { Store, useStore } from "../store.js";
import { html } from "../ui.js";
import { t } from "../words.js";
import { AnswerActions } from "./answer_actions.js";
import { FailureNotice } from "./failure_notice.js";
import { describeStoredFailure } from "./failures.js";
import { Facts } from "./facts.js";
import { Markdown } from "./markdown_view.js";
import { Reasoning, useSeconds } from "./reasoning.js";
import { ToolCalls } from "./tool_calls.js";

/**
 * @typedef {object} AnswerProps
 * @property {import("./open_thread.js").OpenThread} thread
 * @property {import("./message.js").Item} item
 * @property {boolean} isLast
 * @property {() => void} onEdit
 */

const NOTHING = new Store(/** @type {import("./message.js").Said | null} */ (null));

/** Its text stays what it is in the page when the answer ends. @param {AnswerProps} props */
export function Answer(props) {
  const { message, live } = props.item;
  const said = useStore(/** @type {typeof NOTHING} */ (live ?? NOTHING));
  const thoughts = said
    ? { text: said.reasoning, startedAt: said.startedAt, until: said.thoughtUntil, isRunning: !said.thoughtUntil }
    : { text: message.reasoning };
  return html`<div>
    ${thoughts.text && html`<${Reasoning} ...${thoughts} />`}
    ${!said && message.refusal && html`<p class="refusal">${t("The model refused.")}</p>`}
    <${Markdown} source=${said ? said.content : message.content} isRunning=${said !== null} owner=${message} />
    <${ToolCalls} calls=${said ? said.toolCalls : (message.tool_calls ?? [])} />
    ${said ? html`<${Progress} said=${said} />` : html`<${End} ...${props} />`}
  </div>`;
}

/** @param {{said: import("./message.js").Said}} props */
function Progress({ said }) {
  const hasText = Boolean(said.content || said.reasoning || said.toolCalls.length);
  if (said.isLost) {
    return html`<p class="notice is-warning" role="status">
      ${t("The connection was lost. The answer goes on at the server, and is shown here as soon as it can be reached.")}
    </p>`;
  }
  return hasText ? null : html`<${Waiting} since=${said.startedAt} />`;
}

/** Seconds after which it is said how long it has been. */
const PATIENCE_S = 3;

/** @param {{since: number}} props */
function Waiting({ since }) {
  const seconds = Math.round((useSeconds(true) - since) / 1000);
  const text = seconds < PATIENCE_S ? t("Waiting for the model…") : t("Waiting for the model… {seconds} s", { seconds });
  return html`<p class="waiting">
    <span class="dots" aria-hidden="true"><i /><i /><i /></span><span>${text}</span>
  </p>`;
}

/** @param {AnswerProps} props */
function End({ thread, item, isLast, onEdit }) {
  const { message } = item;
  const failure = item.failure ?? (message.status === "error" ? describeStoredFailure(message) : null);
  const way = failure
    ? html`<${FailureNotice} thread=${thread} item=${item} failure=${failure} />`
    : html`<${Ending} message=${message} />`;
  return html`${way}
    ${message.id && html`<${AnswerActions} thread=${thread} item=${item} isLast=${isLast} onEdit=${onEdit} />`}
    <${Facts} message=${message} thread=${thread} />`;
}

/** Why it ended before its end. @param {{message: import("./message.js").Message}} props */
function Ending({ message }) {
  const isEmpty = !message.content && !message.reasoning && !message.tool_calls?.length;
  if (isEmpty) {
    const isStopped = message.status === "cancelled";
    const text = isStopped ? t("Stopped before anything was written.") : t("The model wrote nothing.");
    return html`<p class="hint">${text}</p>`;
  }
  if (message.status === "cancelled") return html`<p class="hint">${t("Stopped.")}</p>`;
  if (message.finish_reason === "length") {
    return html`<p class="hint">${t("Cut at the bound on the length of answers.")}</p>`;
  }
  return null;
}
