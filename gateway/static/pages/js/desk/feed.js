// @ts-check
/**
 * What the desk is fed with: by a WebSocket, else by server-sent events, else by asking again and again.
 * All three bring the same messages: parts by name, of which later ones replace earlier ones.
 */
import { addressOf } from "../address.js";
import { Store } from "../store.js";
import { language } from "../words.js";
import { readDesk } from "./calls.js";

/** @typedef {"websocket" | "events" | "polling"} Way */
/**
 * @typedef {object} FeedState
 * @property {"starting" | "live" | "behind" | "signed-out"} state `behind`: what is shown may be old
 * @property {Way} way by which the last message came
 * @property {boolean} canRead false while the server says that it cannot read how things are
 * @property {number} heardAt of the server, in milliseconds
 */

export const SOCKET_PATH = "/ws/modelops/";
export const EVENTS_PATH = "/api/models/desk/events";
const POLL_PERIOD_MS = 5_000;
/** The server says something every 15 s, if only that it is there. */
const SILENCE_MS = 40_000;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 20_000;
/** After so many ways that failed one after another, asking begins; after so much asking, the first way again. */
const POLLS_BEFORE_RETRY = 6;
const CLOSED_FOR_GOOD = new Set([4401, 4403]);

/** Parts of the desk by name; empty until the first message. */
export const desk = new Store(/** @type {import("./parts.js").DeskParts} */ ({}));
export const feed = new Store(/** @type {FeedState} */ ({ state: "starting", way: "websocket", canRead: true, heardAt: 0 }));

/** @param {Partial<FeedState>} change */
const note = (change) => feed.set((before) => ({ ...before, ...change }));

/** @param {string} text @param {Way} way */
export function takeMessage(text, way) {
  const message = JSON.parse(text);
  const heardAt = Date.now();
  if (message.type === "trouble") {
    note({ state: "behind", canRead: false, heardAt, way });
    return;
  }
  if (message.type !== "desk") {
    // It is there, which says nothing of what it can read.
    note({ heardAt, way });
    return;
  }
  desk.set((before) => ({ ...before, ...message.parts }));
  note({ state: "live", canRead: true, heardAt, way });
}

/** Follow the desk until the page is left. */
export async function followDesk() {
  let waitMs = FIRST_WAIT_MS;
  for (;;) {
    const began = Date.now();
    const outcome = await followBySocket();
    if (outcome === "signed-out") return note({ state: "signed-out" });
    if (outcome === "heard") {
      // It worked, and broke: the same way again, soon.
      waitMs = Date.now() - began > LONGEST_WAIT_MS ? FIRST_WAIT_MS : Math.min(waitMs * 2, LONGEST_WAIT_MS);
      note({ state: "behind" });
      await pause(waitMs);
      continue;
    }
    if ((await followByEvents()) === "heard") {
      note({ state: "behind" });
      continue;
    }
    if ((await pollForAWhile()) === "signed-out") return note({ state: "signed-out" });
  }
}

/** @returns {Promise<"heard" | "silent" | "signed-out">} when the socket has closed */
function followBySocket() {
  return new Promise((resolve) => {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${addressOf(SOCKET_PATH)}?language=${language}`);
    let hasHeard = false;
    const watch = watchSilence(() => socket.close());
    socket.addEventListener("message", (event) => {
      hasHeard = true;
      watch.heard();
      takeMessage(event.data, "websocket");
    });
    socket.addEventListener("close", (event) => {
      watch.end();
      resolve(CLOSED_FOR_GOOD.has(event.code) ? "signed-out" : hasHeard ? "heard" : "silent");
    });
  });
}

/** @returns {Promise<"heard" | "silent">} when the stream has ended */
function followByEvents() {
  return new Promise((resolve) => {
    const source = new EventSource(addressOf(`${EVENTS_PATH}?language=${language}`));
    let hasHeard = false;
    const end = () => {
      watch.end();
      source.close();
      resolve(hasHeard ? "heard" : "silent");
    };
    const watch = watchSilence(end);
    source.addEventListener("message", (event) => {
      hasHeard = true;
      watch.heard();
      takeMessage(event.data, "events");
    });
    // By itself it would connect anew for ever, and never say why it could not.
    source.addEventListener("error", end);
  });
}

/** @returns {Promise<"again" | "signed-out">} after some answers, or failures */
async function pollForAWhile() {
  for (let count = 0; count < POLLS_BEFORE_RETRY; count += 1) {
    try {
      takeMessage(await readDesk(), "polling");
    } catch (error) {
      const status = /** @type {{status?: number}} */ (error).status;
      if (status === 401 || status === 403) return "signed-out";
      note({ state: "behind", canRead: status !== 503 });
    }
    await pause(POLL_PERIOD_MS);
  }
  return "again";
}

/**
 * Calls `onSilence` when nothing was heard for too long: a connection may be gone without a word.
 * @param {() => void} onSilence
 */
function watchSilence(onSilence) {
  let timer = setTimeout(onSilence, SILENCE_MS);
  return {
    heard() {
      clearTimeout(timer);
      timer = setTimeout(onSilence, SILENCE_MS);
    },
    end: () => clearTimeout(timer),
  };
}

/** @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
