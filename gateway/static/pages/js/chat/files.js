// @ts-check
/** The images and documents of a message that was sent. */
import { ask } from "../api.js";
import { html, useEffect, useState } from "../ui.js";
import { t } from "../words.js";
import { Icon } from "./icons.js";

/** @typedef {import("./message.js").Part} Part */

/** @param {{files: Part[]}} props */
export function FileList({ files }) {
  return html`<ul class="files" aria-label=${t("Files")}>
    ${files.map((file) => html`<li class="file" key=${file.file_id}><${FileView} file=${file} /></li>`)}
  </ul>`;
}

/** @param {{file: Part}} props */
function FileView({ file }) {
  const name = file.name || t("unnamed");
  if (file.media_type === null) return html`<${FileName} name=${t("{name} (deleted)", { name })} />`;
  if (file.type === "image") return html`<${Picture} id=${file.file_id ?? ""} name=${name} />`;
  const save = () => void download(file);
  return html`<${Icon} name="file" /><button type="button" class="is-plain file-name" onClick=${save}>${name}</button>`;
}

/** @param {{name: string}} props */
function FileName({ name }) {
  return html`<${Icon} name="file" /><span class="file-name">${name}</span>`;
}

/** @param {{id: string, name: string}} props */
function Picture({ id, name }) {
  const [address, setAddress] = useState("");
  useEffect(() => {
    let isGone = false;
    let made = "";
    readFile(id).then(
      (blob) => {
        if (isGone) return;
        made = URL.createObjectURL(blob);
        setAddress(made);
      },
      () => {},
    );
    return () => {
      isGone = true;
      if (made) URL.revokeObjectURL(made);
    };
  }, [id]);
  return address ? html`<img class="picture" src=${address} alt=${name} />` : html`<${FileName} name=${name} />`;
}

/** @param {string} id @returns {Promise<Blob>} */
export async function readFile(id) {
  return (await ask("GET", `/api/files/${id}/content`)).blob();
}

/** @param {Part} file */
async function download(file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await readFile(file.file_id ?? ""));
  link.download = file.name ?? "";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
