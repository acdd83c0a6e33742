// @ts-check
/** What the states of models are called. */
import { formatNumber, t, tn } from "../words.js";

/** @typedef {import("./model_status.js").SlotStatus} SlotStatus */

/** @param {SlotStatus["state"]} state */
export function wordForState(state) {
  return {
    none: t("No model"), starting: t("Starting"), loading: t("Loading"), ready: t("Ready"),
    switching: t("Switching"), degraded: t("Not answering"), resting: t("Resting"),
    unreachable: t("Not answering"),
  }[state];
}

/** What is going on, in a few words. @param {string | null} phase of a switch, or of an engine's start */
export function wordsForPhase(phase) {
  /** @type {Record<string, string>} */
  const words = {
    requested: t("Waiting for its turn"),
    planned: t("Fetching what it needs"),
    draining: t("Running answers are finishing"),
    stopping: t("The model before is stopping"),
    clearing: t("Freeing the GPUs’ memory"),
    starting: t("Starting the engine"),
    loading: t("Loading the model"),
    verifying: t("Trying it out"),
    rolling_back: t("Going back to the model before"),
    boot: t("Starting the engine"),
    distributed: t("Connecting the GPUs"),
    download: t("Looking up the weights"),
    weights: t("Loading the weights"),
    compile: t("Compiling"),
    profile: t("Measuring its memory"),
    kv_cache: t("Preparing the cache"),
    graphs: t("Preparing the GPUs"),
    done: t("Almost there"),
  };
  return phase ? (words[phase] ?? phase) : "";
}

/** As people say it: "about 2 minutes". @param {number} seconds */
export function aboutDuration(seconds) {
  if (seconds < 1) return t("a moment");
  if (seconds < 100) return tn("about {count} second", "about {count} seconds", seconds < 10 ? Math.round(seconds) : Math.round(seconds / 5) * 5);
  if (seconds < 5_400) return tn("about {count} minute", "about {count} minutes", Math.round(seconds / 60));
  return tn("about {count} hour", "about {count} hours", Math.round(seconds / 3600));
}

/** Who is using a model, as far as everybody may know. @param {SlotStatus["requests"]} requests */
export function wordsForUse(requests) {
  if (!requests) return "";
  const { running, waiting } = requests;
  if (!running && !waiting) return t("Nobody is waiting for an answer right now.");
  const parts = [];
  if (running) parts.push(tn("{count} answer is being written right now.", "{count} answers are being written right now.", running));
  if (waiting) parts.push(tn("{count} message is waiting for it.", "{count} messages are waiting for it.", waiting));
  return parts.join(" ");
}

/** @param {number} tokens */
export function contextWords(tokens) {
  return t("{number} tokens of context", { number: formatNumber(tokens) });
}

/** @param {import("./model_status.js").Profile["fit"]["verdict"]} verdict */
export function wordForVerdict(verdict) {
  return {
    fits: t("Fits this machine"), tight: t("Just fits this machine"), does_not_fit: t("Does not fit this machine"),
    unknown: t("Not known whether it fits"),
  }[verdict];
}
