// @ts-check
/** Files beside the message that is being written: chosen, pasted or dropped. */
import { useStore } from "../store.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { formatNumber, t } from "../words.js";
import { Icon, IconButton } from "./icons.js";

/** @typedef {import("./uploads.js").Uploads} Uploads @typedef {import("./uploads.js").Upload} Upload */

const ACCEPTED = "image/png,image/jpeg,image/webp,image/gif,application/pdf,text/*,.md,.csv,.json,.py,.js,.ts,.log";

/** @param {{uploads: Uploads}} props */
export function AttachButton({ uploads }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const take = () => {
    uploads.add(input.current?.files ?? []);
    if (input.current) input.current.value = "";
  };
  return html`<input
      ref=${input}
      type="file"
      multiple
      accept=${ACCEPTED}
      hidden
      onChange=${take}
    />
    <${IconButton} icon="attach" label=${t("Attach files")} onClick=${() => input.current?.click()} />`;
}

/** @param {{uploads: Uploads}} props */
export function Attachments({ uploads }) {
  const list = useStore(uploads.list);
  if (!list.length) return null;
  return html`<ul class="files" aria-label=${t("Attached files")}>
    ${list.map((/** @type {Upload} */ upload) => {
      const remove = () => uploads.remove(upload.key);
      return html`<${Attachment} key=${upload.key} upload=${upload} onRemove=${remove} />`;
    })}
  </ul>`;
}

/** @param {{upload: Upload, onRemove: () => void}} props */
function Attachment({ upload, onRemove }) {
  const { name, preview, progress, part, problem } = upload;
  const percent = formatNumber(progress, { style: "percent" });
  const state = problem ?? (part ? "" : t("Sending: {percent}", { percent }));
  return html`<li class="file ${problem ? "is-bad" : ""}">
    ${preview ? html`<img src=${preview} alt="" />` : html`<${Icon} name="file" />`}
    <span class="file-name">${name}</span>
    ${state && html`<span class="file-state" role=${problem ? "alert" : null}>${state}</span>`}
    <${IconButton} icon="close" label=${t("Remove {name}", { name })} onClick=${onRemove} />
  </li>`;
}

/**
 * Files that are dropped on the conversation, or pasted anywhere in it.
 * @param {Uploads} uploads
 * @returns {boolean} whether some are held over it
 */
export function useDroppedFiles(uploads) {
  const [isOver, setIsOver] = useState(false);
  useEffect(() => {
    const over = (/** @type {DragEvent} */ event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setIsOver(true);
    };
    const leave = (/** @type {DragEvent} */ event) => void (event.relatedTarget === null && setIsOver(false));
    const drop = (/** @type {DragEvent} */ event) => {
      setIsOver(false);
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      uploads.add(event.dataTransfer.files);
    };
    const paste = (/** @type {ClipboardEvent} */ event) => {
      // A copied table comes as text and as a picture of itself: the text is meant.
      if (!event.clipboardData?.files.length || event.clipboardData.types.includes("text/plain")) return;
      event.preventDefault();
      uploads.add(event.clipboardData.files);
    };
    const all = { dragover: over, dragleave: leave, drop, paste };
    const listeners = /** @type {[string, any][]} */ (Object.entries(all));
    for (const [name, listener] of listeners) addEventListener(name, listener);
    return () => {
      for (const [name, listener] of listeners) removeEventListener(name, listener);
    };
  }, [uploads]);
  return isOver;
}
