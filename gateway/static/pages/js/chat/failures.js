// @ts-check
/** Why something failed, in the reader's words, and when to try again. */
import { ApiError } from "../api.js";
import { t } from "../words.js";

/** @typedef {import("./message.js").Failure} Failure */

/** What passes by itself: the page tries again when the server says so. */
const PASSING = new Set(["model_loading", "model_switching", "idempotency_in_progress", "shutting_down"]);
const RETRY_S = 3;

/** @param {unknown} error @returns {Failure} */
export function describeFailure(error) {
  const known = error instanceof ApiError ? error : null;
  const code = known ? (known.code ?? (known.status === 0 ? "unreachable" : "")) : "";
  const triesAgain = PASSING.has(code);
  const seconds = known?.retryAfterS ?? (triesAgain ? RETRY_S : null);
  return {
    code,
    message: explainCode(code) ?? (/** @type {any} */ (error)?.message || t("Something went wrong.")),
    retryAt: seconds === null ? null : Date.now() + 1000 * seconds,
    triesAgain,
  };
}

/** Of an answer that is stored as failed. @param {import("./message.js").Message} message @returns {Failure} */
export function describeStoredFailure({ error_code: code, error_message: text }) {
  const message = explainCode(code) ?? (text || t("The answer failed ({code}).", { code }));
  return { code, message, retryAt: null, triesAgain: false };
}

/** @param {string} code @returns {string | null} null: the server's own message says more */
function explainCode(code) {
  switch (code) {
    case "unreachable":
      return t("The server cannot be reached.");
    case "model_loading":
      return t("The model is being loaded. Your message is sent as soon as it is ready.");
    case "model_switching":
      return t("Another model is being loaded. Your message is sent as soon as it is ready.");
    case "no_model":
      return t("No model is running. Ask an administrator to start one.");
    case "shutting_down":
      return t("The server is restarting. Your message is sent as soon as it is back.");
    case "idempotency_in_progress":
      return t("Your message has arrived already and is being answered.");
    case "conversation_busy":
      return t("This conversation is still receiving an answer. Wait for it or stop it, then send again.");
    default:
      return explainLimit(code) ?? explainEngine(code);
  }
}

/** @param {string} code */
function explainLimit(code) {
  switch (code) {
    case "rate_limit_exceeded":
      return t("Too many messages in a short time.");
    case "concurrency_limit_exceeded":
      return t("Too many of your answers run at the same time.");
    case "insufficient_quota":
      return t("Your tokens for this period are used up.");
    case "context_length_exceeded":
      return t("This is longer than the model can read at once. Shorten it, or start a new conversation.");
    case "images_not_supported":
      return t("This model does not read images. Send the message without them, or use another model.");
    case "conversation_full":
      return t("This conversation holds as much as it may. Start a new one.");
    case "storage_full":
      return t("Your conversations hold as much as they may. Delete some to go on.");
    default:
      return null;
  }
}

/** @param {string} code */
function explainEngine(code) {
  switch (code) {
    case "upstream_unavailable":
      return t("The model does not answer.");
    case "upstream_timeout":
      return t("The model took too long.");
    case "interrupted":
      return t("The server was restarted while this was being written.");
    case "internal_error":
      return t("The server met an unexpected error.");
    case "dependency_unavailable":
      return t("The server's database does not answer.");
    default:
      return null;
  }
}
