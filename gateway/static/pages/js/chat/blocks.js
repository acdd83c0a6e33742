// @ts-check
/** Reads a text that grows: what is finished is parsed once, and only its last block again. */
import { parseBlocks } from "./markdown.js";
import { settle } from "./settling.js";

/** Characters that are read at a time; the rest of a long text follows when the page has drawn these. */
const PIECE = 48_000;
/** Blocks that are rendered, and skipped out of sight, together. */
const SECTION_SIZE = 40;

/** @typedef {import("./markdown.js").Block & {source: string, isOpen: boolean}} ReadBlock */

export class BlockReader {
  /** Finished blocks; a section that is full stays the same object. @type {ReadBlock[][]} */
  sections = [];
  /** The block that may still grow. @type {ReadBlock | null} */
  open = null;
  #source = "";
  /** Up to where blocks are finished, and up to where the text was read. */
  #done = 0;
  #read = 0;
  #isEnded = false;
  /** @type {Record<string, any>} */
  #env = {};

  /**
   * Read on in a text that begins as it did before; another one is read anew.
   * @param {string} source
   * @param {boolean} isRunning whether it may grow
   * @returns {boolean} whether there is more to read already
   */
  read(source, isRunning) {
    const isSame = source.length === this.#source.length && source === this.#source;
    if (isSame && this.#isEnded) return false;
    if (this.#isEnded || !source.startsWith(this.#source)) this.#restart();
    this.#source = source;
    // Twice as much of a block that is longer than a piece, as it is parsed from its beginning.
    this.#read = Math.min(source.length, this.#read + Math.max(PIECE, this.#read - this.#done));
    const hasMore = this.#read < source.length;
    this.#readTo(source.slice(this.#done, this.#read), isRunning || hasMore);
    this.#isEnded = !isRunning && !hasMore;
    return hasMore;
  }

  #restart() {
    this.sections = [];
    this.open = null;
    this.#done = 0;
    this.#read = 0;
    this.#isEnded = false;
    this.#env = {};
  }

  /** @param {string} tail @param {boolean} grows */
  #readTo(tail, grows) {
    const text = grows ? settle(tail) : tail;
    const starts = lineStarts(text);
    const found = parseBlocks(text, this.#env).map((block) => ({
      ...block,
      source: text.slice(starts[block.start], starts[block.end] ?? text.length),
      isOpen: false,
    }));
    const open = grows ? found.pop() : undefined;
    this.open = open ? { ...open, isOpen: true } : null;
    if (open) this.#done += starts[open.start];
    for (const block of found) this.#append(block);
  }

  /** @param {ReadBlock} block */
  #append(block) {
    const last = this.sections.at(-1);
    if (last && last.length < SECTION_SIZE) this.sections = [...this.sections.slice(0, -1), [...last, block]];
    else this.sections = [...this.sections, [block]];
  }
}

/** @param {string} text @returns {number[]} where each line begins */
function lineStarts(text) {
  const starts = [0];
  for (const found of text.matchAll(/\r\n?|\n/g)) starts.push(found.index + found[0].length);
  return starts;
}
