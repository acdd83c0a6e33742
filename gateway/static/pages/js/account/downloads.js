// @ts-check
/** Files from the API: asked for with the page's token, then handed to the browser to be stored. */
import { ask } from "../api.js";
import { useSubmission } from "./form.js";

/**
 * @param {string} path
 * @param {string} name of the file, unless the server says another
 */
export async function downloadFrom(path, name) {
  const response = await ask("GET", path);
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = nameIn(response.headers.get("Content-Disposition")) ?? name;
  link.click();
  // Not at once: the browser has yet to begin to read.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** @param {string | null} disposition */
function nameIn(disposition) {
  const encoded = /filename\*=UTF-8''([^;]+)/i.exec(disposition ?? "")?.[1];
  if (encoded) return decodeURIComponent(encoded);
  return /filename="([^"]+)"/.exec(disposition ?? "")?.[1] ?? null;
}

/** All that the account has here, as one file. */
export function useCopyDownload() {
  return useSubmission(() => downloadFrom("/api/auth/me/copy", "account.zip"));
}
