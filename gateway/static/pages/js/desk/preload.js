// @ts-check
/** Keeps the page of a preload up to date; the server renders what is shown. */
import { t } from "../words.js";

const PERIOD_MS = 1000;

/** @typedef {{part: string, is_finished: boolean}} Progress */

/** @param {HTMLElement} part */
async function keepFresh(part) {
  while (!(await refresh(part))) {
    await new Promise((resolve) => setTimeout(resolve, PERIOD_MS));
  }
}

/**
 * @param {HTMLElement} part
 * @returns {Promise<boolean>} whether there is nothing more to wait for
 */
async function refresh(part) {
  let answer;
  try {
    answer = await fetch(part.dataset.progressUrl ?? "", { redirect: "manual", cache: "no-store" });
  } catch {
    warn(t("The gateway does not answer. Trying again."));
    return false;
  }
  if (answer.type === "opaqueredirect" || answer.status === 403) {
    warn(t("You are signed out. Reload the page to sign in again."));
    return true;
  }
  if (!answer.ok) {
    warn(t("The gateway does not answer. Trying again."));
    return false;
  }
  warn("");
  show(part, await answer.json());
  return part.dataset.isFinished === "yes";
}

/** @param {HTMLElement} part @param {Progress} progress */
function show(part, progress) {
  if (part.dataset.shown !== progress.part) part.innerHTML = progress.part;
  part.dataset.shown = progress.part;
  part.dataset.isFinished = progress.is_finished ? "yes" : "no";
  setHidden("preload-begin", !progress.is_finished);
  setHidden("preload-cancel", progress.is_finished);
}

/** @param {string} text empty for none */
function warn(text) {
  const notice = document.getElementById("preload-notice");
  if (notice) notice.textContent = text;
  setHidden("preload-notice", !text);
}

/** @param {string} id @param {boolean} isHidden */
function setHidden(id, isHidden) {
  const element = document.getElementById(id);
  if (element) element.hidden = isHidden;
}

const part = document.getElementById("preload-part");
if (part && part.dataset.isFinished === "no") keepFresh(part);
