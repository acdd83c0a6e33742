// @ts-check
/** Puts text on the clipboard, and says that it did. */
import { html, useState } from "../ui.js";
import { t } from "../words.js";
import { Icon } from "./icons.js";

const SAID_MS = 1_600;

/**
 * @param {object} props
 * @param {string} props.text
 * @param {string} props.label
 * @param {boolean} [props.isWordy] with its word beside the icon
 */
export function CopyButton({ text, label, isWordy = false }) {
  const [isCopied, setIsCopied] = useState(false);
  async function copy() {
    if (!(await copyText(text))) return;
    setIsCopied(true);
    setTimeout(() => setIsCopied(false), SAID_MS);
  }
  const shape = isWordy ? "is-plain" : "is-plain is-icon";
  return html`<button type="button" class=${shape} title=${label} aria-label=${label} onClick=${copy}>
    <${Icon} name=${isCopied ? "check" : "copy"} />${isWordy && (isCopied ? t("Copied") : t("Copy"))}
    <span class="visually-hidden" role="status">${isCopied ? t("Copied") : ""}</span>
  </button>`;
}

/** Also where the page came without TLS, which has no navigator.clipboard. @param {string} text */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** @param {string} text */
function copyBySelection(text) {
  const box = document.createElement("textarea");
  box.value = text;
  box.className = "visually-hidden";
  box.setAttribute("readonly", "");
  const focused = document.activeElement;
  document.body.append(box);
  box.select();
  const isCopied = document.execCommand("copy");
  box.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return isCopied;
}
