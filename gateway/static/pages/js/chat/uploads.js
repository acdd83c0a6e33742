// @ts-check
/** Files on their way to the server. */
import { addressOf } from "../address.js";
import { ApiError, ask, getToken } from "../api.js";
import { Store } from "../store.js";
import { formatNumber, language, t } from "../words.js";
import { readFile } from "./files.js";
import { makeId } from "./message.js";

/** @typedef {import("./message.js").Part} Part */

/**
 * @typedef {object} Upload
 * @property {string} key
 * @property {string} name
 * @property {string} preview an address of the image in this page; empty for anything else
 * @property {number} progress from 0 to 1
 * @property {Part | null} part once the server has it
 * @property {string | null} problem
 */

const settings = JSON.parse(document.getElementById("page-settings")?.textContent ?? "{}");
const MEBIBYTE = 1024 * 1024;

/** The server takes few of an account at a time; another tab may send some, too. */
const AT_A_TIME = 2;
let running = 0;
/** @type {(() => void)[]} */
const waiting = [];

/** @template T @param {() => Promise<T>} send */
async function inTurn(send) {
  if (running >= AT_A_TIME) await new Promise((resolve) => waiting.push(() => resolve(undefined)));
  running += 1;
  try {
    return await send();
  } finally {
    running -= 1;
    waiting.shift()?.();
  }
}

/** What is attached to the message that is being written. */
export class Uploads {
  /** @type {Store<Upload[]>} */
  list = new Store(/** @type {Upload[]} */ ([]));

  get isBusy() {
    return this.list.value.some((each) => !each.part && !each.problem);
  }

  /** Those that the message would go without. @returns {Upload[]} */
  get refused() {
    return this.list.value.filter((each) => each.problem);
  }

  /** @returns {Part[]} */
  get parts() {
    return this.list.value.flatMap((each) => each.part ?? []);
  }

  /** @param {Iterable<File>} files */
  add(files) {
    for (const file of files) void this.#upload(file);
  }

  /** @param {string} key */
  remove(key) {
    const removed = this.list.value.find((each) => each.key === key);
    if (removed?.preview) URL.revokeObjectURL(removed.preview);
    this.list.set((list) => list.filter((each) => each.key !== key));
  }

  clear() {
    for (const { key } of this.list.value) this.remove(key);
  }

  /** @param {Part[]} parts of a message that was not taken */
  restore(parts) {
    const files = parts.filter((part) => part.file_id);
    const uploads = files.map((part) => ({
      ...{ key: makeId(), name: part.name ?? "", preview: "", progress: 1, problem: null },
      part,
    }));
    this.list.set((list) => [...list, ...uploads]);
    return uploads;
  }

  /** What was attached on another visit. One that the server no longer has says so. @param {Part[]} parts */
  recall(parts) {
    for (const { key, part } of this.restore(parts)) void this.#check(key, part);
  }

  /** @param {string} key @param {Part} part */
  async #check(key, part) {
    try {
      if (part.type !== "image") await ask("GET", `/api/files/${part.file_id}`);
      else this.#change(key, { preview: URL.createObjectURL(await readFile(part.file_id ?? "")) });
    } catch (error) {
      const isGone = error instanceof ApiError && error.status === 404;
      if (isGone) this.#change(key, { part: null, problem: t("It is no longer on the server. Attach it again.") });
    }
  }

  /** @param {File} file */
  async #upload(file) {
    const key = makeId();
    const isImage = file.type.startsWith("image/");
    const problem = findProblem(file, isImage);
    const preview = isImage && !problem ? URL.createObjectURL(file) : "";
    this.list.set((list) => [...list, { key, name: file.name, preview, progress: 0, part: null, problem }]);
    if (problem) return;
    try {
      const stored = await inTurn(() => post(file, (progress) => this.#change(key, { progress })));
      const { id, kind, name, media_type, size_bytes } = stored;
      this.#change(key, { progress: 1, part: { type: kind, file_id: id, name, media_type, size_bytes } });
    } catch (error) {
      this.#change(key, { problem: error instanceof Error ? error.message : t("It could not be sent.") });
    }
  }

  /** @param {string} key @param {Partial<Upload>} change */
  #change(key, change) {
    this.list.set((list) => list.map((each) => (each.key === key ? { ...each, ...change } : each)));
  }
}

/** @param {File} file @param {boolean} isImage */
function findProblem(file, isImage) {
  const bound = isImage ? settings.maxImageBytes : settings.maxFileBytes;
  if (file.size === 0) return t("The file is empty.");
  if (!bound || file.size <= bound) return null;
  const size = formatNumber(bound / MEBIBYTE, { maximumFractionDigits: 1 });
  return isImage ? t("Images may have {size} MiB at most.", { size }) : t("Files may have {size} MiB at most.", { size });
}

/**
 * fetch does not say how far an upload has come.
 * @param {File} file
 * @param {(progress: number) => void} onProgress
 * @returns {Promise<any>} what the server tells of it
 */
async function post(file, onProgress) {
  const token = await getToken();
  const form = new FormData();
  form.append("file", file, file.name);
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", addressOf("/api/files"));
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Accept-Language", language);
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => onProgress(total ? loaded / total : 0);
    request.onerror = () => reject(new ApiError(t("The server cannot be reached.")));
    request.onload = () => {
      const { status, response } = request;
      if (status < 400) resolve(response);
      else reject(new ApiError(response?.error?.message ?? t("It could not be sent."), { status }));
    };
    request.send(form);
  });
}
