// @ts-check
/** The images and documents of a message. */
import { html } from "../ui.js";

/** @param {{files: import("./message.js").Part[]}} props */
export function FileList({ files }) {
  return html`<ul class="files">${files.map((file) => html`<li key=${file.file_id}>${file.name}</li>`)}</ul>`;
}
