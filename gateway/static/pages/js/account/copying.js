// @ts-check
/** A text, and a button that copies it. */
import { html, useEffect, useState } from "../ui.js";
import { t } from "../words.js";

const SHOWN_MS = 2500;

/**
 * @param {object} props
 * @param {string} props.text
 * @param {string} [props.label] what is copied, for people who do not see where the button stands
 * @param {string} [props.name] what the button says
 */
export function CopyButton({ text, label, name = t("Copy") }) {
  const [said, setSaid] = useState("");
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(""), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async () => setSaid((await copyText(text)) ? t("Copied") : t("Please copy by hand"));
  return html`<span class="copy">
    <button type="button" onClick=${copy} aria-label=${label ? t("Copy {what}", { what: label }) : undefined}>${said || name}</button>
    <span class="visually-hidden" role="status">${said}</span>
  </span>`;
}

/**
 * @param {string} text
 * @returns {Promise<boolean>}
 */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text);
  }
}

/**
 * As before there was a clipboard API, which browsers keep from pages that came by plain http from another machine.
 * @param {string} text
 */
function copySelected(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  // Inside of an open dialog, as nothing else can have the focus.
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  area.select();
  const isCopied = document.execCommand("copy");
  area.remove();
  focused?.focus();
  return isCopied;
}

/**
 * Lines to be taken elsewhere as they are.
 * @param {object} props
 * @param {string} props.text
 * @param {string} props.label
 */
export function CopyBlock({ text, label }) {
  return html`<div class="copy-block">
    <pre tabindex="0" aria-label=${label}><code>${text}</code></pre>
    <${CopyButton} text=${text} label=${label} />
  </div>`;
}
