// @ts-check
/** The public API, as any program uses it; the page's token comes by its cookie. */
import { addressOf } from "./address.js";
import { keepLimitsOf, noteLimits } from "./limits_left.js";
import { language, t } from "./words.js";

/** How long before its end a token is replaced, in milliseconds. */
const TOKEN_MARGIN_MS = 60_000;

/** What the server refused, or why it could not be asked. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{status?: number, code?: string | null, param?: string | null, retryAfterS?: number | null,
   *   headers?: Headers}} [about]
   */
  constructor(message, { status = 0, code = null, param = null, retryAfterS = null, headers = new Headers() } = {}) {
    super(message);
    this.name = "ApiError";
    /** 0 where there was no answer at all. */
    this.status = status;
    this.code = code;
    this.param = param;
    /** Seconds, from Retry-After. */
    this.retryAfterS = retryAfterS;
    /** Of the refusal: they may say where what failed is stored. */
    this.headers = headers;
  }
}

/** @type {{value: string, endsAt: number} | null} */
let token = null;
/** @type {Promise<string> | null} */
let fetching = null;

/** A good access token. Leads to the page for signing in where the cookie has ended. */
export async function getToken() {
  if (token && Date.now() < token.endsAt - TOKEN_MARGIN_MS) return token.value;
  fetching ??= fetchToken().finally(() => (fetching = null));
  return fetching;
}

async function fetchToken() {
  const csrf = document.querySelector('meta[name="csrf-token"]')?.getAttribute("content") ?? "";
  const response = await send("/api/auth/page-token", { method: "POST", headers: { "X-CSRFToken": csrf } });
  if (response.status === 401 || response.status === 403) {
    signIn();
    throw new ApiError(t("You are signed out."), { status: 401 });
  }
  await check(response);
  const body = await response.json();
  token = { value: body.access_token, endsAt: Date.now() + 1000 * body.expires_in };
  keepLimitsOf(token.value);
  return token.value;
}

/** Go to the page for signing in, and come back to this one. */
export function signIn() {
  location.assign(addressOf(`/sign-in/?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`));
}

/**
 * Ask the API. The response is good, or an ApiError is thrown.
 * @param {string} method
 * @param {string} path with its query
 * @param {{body?: unknown, signal?: AbortSignal, headers?: Record<string, string>}} [options]
 *   a `body` that is a FormData or a Blob is sent as it is, anything else as JSON
 */
export async function ask(method, path, { body, signal, headers = {} } = {}) {
  const isRaw = body instanceof FormData || body instanceof Blob;
  const init = {
    method,
    signal,
    body: body === undefined ? undefined : isRaw ? body : JSON.stringify(body),
  };
  /** @type {Record<string, string>} */
  const type = body === undefined || isRaw ? {} : { "Content-Type": "application/json" };
  for (let attempt = 0; ; attempt += 1) {
    const authorization = { Authorization: `Bearer ${await getToken()}` };
    const response = await send(path, { ...init, headers: { ...type, ...authorization, ...headers } });
    if (response.status === 401 && attempt === 0) {
      token = null;
      continue;
    }
    return check(response);
  }
}

/**
 * The JSON of an answer; null where there is none.
 * @param {string} method
 * @param {string} path
 * @param {Parameters<typeof ask>[2]} [options]
 * @returns {Promise<any>}
 */
export async function askJson(method, path, options) {
  const response = await ask(method, path, options);
  return response.status === 204 ? null : response.json();
}

/** @param {string} path @param {RequestInit} init */
async function send(path, init) {
  try {
    // What is refused is said in the language of the page, whatever the browser prefers.
    const headers = { "Accept-Language": language, ...init.headers };
    return await fetch(addressOf(path), { credentials: "same-origin", ...init, headers });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(t("The server cannot be reached."));
  }
}

/** @param {Response} response */
async function check(response) {
  if (response.ok) {
    noteLimits(response.headers);
    return response;
  }
  const body = await response.json().catch(() => null);
  const error = body?.error ?? {};
  const retryAfter = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  throw new ApiError(error.message ?? t("The server answered {status}.", { status: response.status }), {
    status: response.status,
    code: error.code ?? null,
    param: error.param ?? null,
    retryAfterS: Number.isNaN(retryAfter) ? null : retryAfter,
    headers: response.headers,
  });
}
