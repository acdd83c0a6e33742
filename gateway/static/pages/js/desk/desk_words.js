// @ts-check
/** Names and figures as the desk writes them. */
import { formatDate, formatNumber, t, tn } from "../words.js";

const GIB = 2 ** 30;

/** @param {number} bytes */
export function formatGib(bytes) {
  return t("{size} GiB", { size: formatNumber(bytes / GIB, { maximumFractionDigits: 1 }) });
}

/** @param {string} moment RFC 3339 */
export function formatTime(moment) {
  const isToday = new Date(moment).toDateString() === new Date().toDateString();
  return formatDate(moment, isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

/** @param {number} seconds */
export function formatSeconds(seconds) {
  if (seconds < 90) return t("{count} s", { count: formatNumber(seconds, { maximumFractionDigits: seconds < 10 ? 1 : 0 }) });
  return t("{minutes} min {seconds} s", { minutes: Math.floor(seconds / 60), seconds: Math.round(seconds % 60) });
}

/** @param {number | null | undefined} value @param {Intl.NumberFormatOptions} [options] */
export function formatFigure(value, options = { maximumFractionDigits: 1 }) {
  return value === null || value === undefined ? "–" : formatNumber(value, options);
}

/** @param {string} state of a slot */
export function nameSlotState(state) {
  const names = {
    none: t("Nothing served"),
    starting: t("Starting"),
    loading: t("Loading"),
    ready: t("Serving"),
    switching: t("Switching"),
    degraded: t("Not serving"),
    resting: t("Resting"),
    unreachable: t("Unreachable"),
  };
  return names[/** @type {keyof typeof names} */ (state)] ?? state;
}

/** @param {string} state of a replica */
export function nameReplicaState(state) {
  const names = { starting: t("starting"), serving: t("answers"), leaving: t("leaving") };
  return names[/** @type {keyof typeof names} */ (state)] ?? state;
}

/** @param {string} state of a slot */
export function gradeSlotState(state) {
  if (state === "ready") return "is-good";
  if (state === "degraded" || state === "unreachable") return "is-bad";
  return state === "none" || state === "resting" ? "is-quiet" : "is-warn";
}

/** @param {string} state of a switch */
export function nameSwitchState(state) {
  const names = {
    requested: t("waiting for its turn"),
    planned: t("preparing"),
    draining: t("letting answers end"),
    stopping: t("stopping the old engine"),
    clearing: t("freeing memory"),
    starting: t("starting the engine"),
    loading: t("loading the model"),
    verifying: t("checking the engine"),
    active: t("done"),
    rejected: t("refused"),
    cancelled: t("cancelled"),
    rolling_back: t("going back"),
    rolled_back: t("failed, went back"),
    degraded: t("failed, nothing serves"),
  };
  return names[/** @type {keyof typeof names} */ (state)] ?? state;
}

/** @param {string} verdict */
export function nameVerdict(verdict) {
  const names = { fits: t("fits"), tight: t("tight"), does_not_fit: t("does not fit"), unknown: t("unknown") };
  return names[/** @type {keyof typeof names} */ (verdict)] ?? verdict;
}

/** @param {string} verdict */
export function gradeVerdict(verdict) {
  const grades = { fits: "is-good", tight: "is-warn", does_not_fit: "is-bad", unknown: "is-quiet" };
  return grades[/** @type {keyof typeof grades} */ (verdict)] ?? "is-quiet";
}

/** @param {number} tokens */
export function countTokens(tokens) {
  return tn("{count} token", "{count} tokens", tokens);
}
