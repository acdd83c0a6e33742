// @ts-check
/** Server-sent events over fetch: EventSource sends no credentials in headers, and cannot POST. */

/**
 * @typedef {object} ServerEvent
 * @property {string} id the last id that was sent, of this event or of one before; empty without any
 * @property {string} data
 */

/** The server says something each 15 seconds: a connection that is silent for longer is dead, as after sleep. */
const SILENCE_MS = 45_000;

/**
 * The events of a stream as they come, as the standard splits them (WHATWG HTML, 9.2.6). Comments are left out.
 * @param {ReadableStream<Uint8Array>} stream
 * @returns {AsyncGenerator<ServerEvent>}
 */
export async function* readEvents(stream) {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  const lines = new LineSplitter();
  let id = "";
  /** @type {string[]} */
  let data = [];
  try {
    for (;;) {
      const { value, done } = await beforeSilence(reader.read());
      if (done) return; // what no blank line has ended is no event
      for (const line of lines.feed(decoder.decode(value, { stream: true }))) {
        if (line === "") {
          if (data.length) yield { id, data: data.join("\n") };
          data = [];
          continue;
        }
        const [name, text] = parseLine(line);
        if (name === "data") data.push(text);
        else if (name === "id" && !text.includes("\0")) id = text;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @returns {Promise<T>}
 */
async function beforeSilence(promise) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const silence = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("silence")), SILENCE_MS);
  });
  try {
    return await Promise.race([promise, /** @type {Promise<never>} */ (silence)]);
  } finally {
    clearTimeout(timer);
  }
}

/** @param {string} line @returns {[string, string]} the field's name and value; a comment has no name */
function parseLine(line) {
  const colon = line.indexOf(":");
  if (colon < 0) return [line, ""];
  const value = line.slice(colon + 1);
  return [line.slice(0, colon), value.startsWith(" ") ? value.slice(1) : value];
}

/** Cuts text into lines wherever the network cut it: LF, CR or both end one. */
class LineSplitter {
  #rest = "";

  /** @param {string} text @returns {string[]} the lines that it completes */
  feed(text) {
    const all = this.#rest + text;
    // A CR at the end may be half of a line end.
    const held = all.endsWith("\r") ? 1 : 0;
    const lines = all.slice(0, all.length - held).split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? "") + (held ? "\r" : "");
    return lines;
  }
}
