// @ts-check
/** What a model asks a program to do. Nothing here runs it. */
import { html } from "../ui.js";
import { t } from "../words.js";

/** @param {{calls: import("./message.js").ToolCall[]}} props */
export function ToolCalls({ calls }) {
  return calls.map(
    (call, place) => html`<details class="folded" key=${call.id ?? place}>
      <summary>${t("Tool call: {name}", { name: call.function?.name || t("unnamed") })}</summary>
      <pre tabindex="0">${indent(call.function?.arguments ?? "")}</pre>
    </details>`,
  );
}

/** JSON as people read it; what is no JSON, or not yet, as it is. @param {string} text */
function indent(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
