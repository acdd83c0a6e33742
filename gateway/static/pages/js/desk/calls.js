// @ts-check
/** Calls of the desk's pages: the public API with the cookie of the admin, as pages of Django's are used. */
import { addressOf } from "../address.js";
import { ApiError } from "../api.js";
import { Store } from "../store.js";
import { language, t } from "../words.js";

/** The switch that was asked for last on this page, so that its progress is shown to who asked. */
export const askedSwitch = new Store("");

/** The desk as it is now, as the text of a message. */
export async function readDesk() {
  return (await call("GET", "/api/models/desk")).text();
}

/** @param {string} slot @returns {Promise<import("./parts.js").LoadPoint[]>} */
export async function readHistory(slot) {
  const answer = await call("GET", `/api/models/desk/history?slot=${encodeURIComponent(slot)}`);
  return (await answer.json()).points;
}

/**
 * @param {string} profile
 * @param {{isDryRun?: boolean, slot?: string}} [options]
 * @returns {Promise<any>} a plan, or the switch that leads there
 */
export async function askToSwitch(profile, { isDryRun = false } = {}) {
  const answer = await call("POST", "/api/models/switch", { profile_id: profile, dry_run: isDryRun });
  return answer.json();
}

/** @param {string} id */
export async function cancelSwitch(id) {
  await call("POST", `/api/models/switches/${id}/cancel`, {});
}

/** @param {string} method @param {string} path @param {unknown} [body] */
async function call(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { "Accept-Language": language, "X-CSRFToken": readCsrf() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(addressOf(path), {
      ...{ method, headers, credentials: /** @type {const} */ ("same-origin"), cache: /** @type {const} */ ("no-store") },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new ApiError(t("The server cannot be reached."));
  }
  if (answer.ok) return answer;
  const error = (await answer.json().catch(() => null))?.error ?? {};
  const message = error.message ?? t("The server answered {status}.", { status: answer.status });
  throw new ApiError(message, { status: answer.status, code: error.code ?? null });
}

function readCsrf() {
  return document.querySelector('meta[name="csrf-token"]')?.getAttribute("content") ?? "";
}
