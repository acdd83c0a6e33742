// @ts-check
/** One conversation: its messages, and the box to write in. */
import { html } from "../ui.js";
import { t } from "../words.js";

/**
 * @param {object} props
 * @param {string | null} props.conversationId null: one that begins with the first message
 * @param {(id: string) => void} props.onStarted when that got its id
 */
export function Thread({ conversationId }) {
  return html`<section class="thread" aria-label=${t("Conversation")}>${conversationId}</section>`;
}
