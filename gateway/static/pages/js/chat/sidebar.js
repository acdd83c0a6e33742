// @ts-check
/** The list of conversations. */
import { html } from "../ui.js";
import { t } from "../words.js";

/**
 * @param {object} props
 * @param {string | null} props.conversationId the one that is open
 */
export function Sidebar({ conversationId }) {
  return html`<nav class="sidebar" aria-label=${t("Conversations")}>${conversationId}</nav>`;
}
