// @ts-check
/** What is served, and what is being done about it: as it changes, while the page is looked at. */
import { ask, askJson } from "../api.js";
import { Store } from "../store.js";

/** @typedef {{id: string, from_profile: string | null, to_profile: string, state: string, created_at: string, cancel_requested: boolean}} BriefSwitch */
/**
 * A part of what `GET /api/models/status` answers; times are in seconds, `progress` is in percent.
 * @typedef {object} SlotStatus
 * @property {"none" | "starting" | "loading" | "ready" | "switching" | "degraded" | "resting" | "unreachable"} state
 * @property {string | null} current_profile what answers now
 * @property {string | null} since
 * @property {string | null} phase
 * @property {number | null} progress
 * @property {number | null} eta_s
 * @property {{running: number, waiting: number} | null} requests of everybody
 * @property {{running: number, deadline: string, policy: string} | null} draining
 * @property {BriefSwitch | null} switch
 * @property {BriefSwitch | null} waiting
 * @property {{message: string, advice: string, switch_id: string | null, at: string | null} | null} last_error
 * @property {string | null} retry_at
 * @property {{profile: string, is_asleep: boolean, wake_s: number | null} | null} resting what the next message wakes
 */
/** @typedef {SlotStatus & {slots: (SlotStatus & {slot: string})[]}} ModelStatus */
/**
 * A part of a profile of `GET /api/models/profiles`.
 * @typedef {object} Profile
 * @property {string} id
 * @property {string} name
 * @property {Record<string, string>} description by language
 * @property {string[]} tags
 * @property {boolean} is_enabled
 * @property {{verdict: "fits" | "tight" | "does_not_fit" | "unknown", why: string, context: number | null}} fit
 */

/** null until it is known. */
export const modelStatus = new Store(/** @type {ModelStatus | null} */ (null));
/** Whether the last look failed: what is shown may be old. */
export const isStatusOld = new Store(false);
export const profiles = new Store(/** @type {Profile[]} */ ([]));
/** By profile, how long its last good start took, in seconds. */
export const startSeconds = new Store(/** @type {Record<string, number>} */ ({}));

const LIVE_PERIOD_MS = 5_000;
const IDLE_PERIOD_MS = 30_000;
/** Events come in bursts; one look tells what they all led to. */
const GATHER_MS = 300;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

export async function readStatus() {
  try {
    modelStatus.set(await askJson("GET", "/api/models/status"));
    isStatusOld.set(false);
  } catch {
    isStatusOld.set(true);
  }
}

export async function loadProfiles() {
  profiles.set((await askJson("GET", "/api/models/profiles")).profiles);
}

export async function loadStartSeconds() {
  const { engines } = await askJson("GET", "/api/models/engines?limit=100");
  /** @type {Record<string, number>} */
  const found = {};
  for (const { profile, created_at: createdAt, ready_at: readyAt } of engines) {
    if (readyAt && !(profile in found)) found[profile] = (Date.parse(readyAt) - Date.parse(createdAt)) / 1000;
  }
  startSeconds.set(found);
}

/** The profile's name; what is served without a profile goes by its own. @param {string | null | undefined} id */
export function nameOfProfile(id) {
  return profiles.value.find((profile) => profile.id === id)?.name ?? id ?? "";
}

/**
 * Keep the status right while the page is looked at. A page in the background asks nothing and holds no
 * connection: browsers have six to a server, for all tabs together.
 */
export function watchModels() {
  document.addEventListener("visibilitychange", follow);
  follow();
}

/** For good: a page that is being left must not ask with a token that has ended. */
export function stopWatchingModels() {
  document.removeEventListener("visibilitychange", follow);
  watching?.abort();
}

/** @type {AbortController | null} */
let watching = null;

function follow() {
  if (document.hidden) watching?.abort();
  if (document.hidden === (watching === null)) return;
  watching = document.hidden ? null : new AbortController();
  if (watching) {
    void poll(watching.signal);
    void listen(watching.signal);
  }
}

/** @param {AbortSignal} signal */
async function poll(signal) {
  while (!signal.aborted) {
    await readStatus();
    await pause(modelStatus.value?.switch || isStatusOld.value ? LIVE_PERIOD_MS : IDLE_PERIOD_MS, signal);
  }
}

/** Look again at each event of the stream; come back to it where it ends. @param {AbortSignal} signal */
async function listen(signal) {
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      const response = await ask("GET", "/api/models/events", { signal });
      wait = FIRST_WAIT_MS;
      await readEvents(/** @type {ReadableStream<Uint8Array>} */ (response.body), signal);
    } catch {
      // Where it cannot be heard, `poll` still looks.
    }
    // It ends with the gateway, among others.
    if (!signal.aborted) await readStatus();
    await pause(wait * (0.75 + Math.random() / 2), signal);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

/** @param {ReadableStream<Uint8Array>} body @param {AbortSignal} signal */
async function readEvents(body, signal) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let isPending = false;
  const look = async () => {
    if (isPending) return;
    isPending = true;
    await pause(GATHER_MS, signal);
    isPending = false;
    if (!signal.aborted) await readStatus();
  };
  // The names of events are enough; a line that is cut in two by the network is not.
  for (let rest = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    if (lines.some((line) => line.startsWith("event:"))) void look();
  }
}

/** @param {number} milliseconds @param {AbortSignal} signal which ends it early */
function pause(milliseconds, signal) {
  return new Promise((/** @type {(value?: undefined) => void} */ resolve) => {
    if (signal.aborted) return resolve();
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end);
    return undefined;
  });
}
