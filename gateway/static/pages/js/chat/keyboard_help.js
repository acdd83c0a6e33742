// @ts-check
/** Which keys do what. */
import { html } from "../ui.js";
import { t } from "../words.js";
import { Dialog, openDialog } from "./dialogs.js";

const isApple = /Mac|iPhone|iPad/.test(navigator.platform);
export const CONTROL = isApple ? "⌘" : "Ctrl";

export function openKeyboardHelp() {
  openDialog(() => html`<${Dialog} title=${t("Keyboard shortcuts")} className="is-narrow">
    <dl class="keys">
      ${groups().map(([keys, text]) => html`<div>
        <dt>${keys.map((key) => html`<kbd>${key}</kbd>`)}</dt>
        <dd>${text}</dd>
      </div>`)}
    </dl>
  <//>`);
}

/** @returns {[string[], string][]} */
function groups() {
  return [
    [[CONTROL, "Shift", "O"], t("New chat")],
    [[CONTROL, "K"], t("Search in conversations")],
    [["Enter"], t("Send the message")],
    [["Shift", "Enter"], t("New line")],
    [["↑", "↓"], t("Up and down in the list")],
    [["Shift", "F10"], t("Open the menu of the conversation")],
    [["F2"], t("Rename the conversation")],
    [["Delete"], t("Move the conversation to the trash")],
    [["Esc"], t("Close what is open")],
    [["?"], t("Show this help")],
  ];
}
