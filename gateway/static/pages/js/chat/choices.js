// @ts-check
/** What the reader chose for the next turns: the model, and how it should answer. */
import { Store } from "../store.js";

/**
 * @typedef {object} Choices
 * @property {string} model a name, or "current" for whatever is served
 * @property {number | null} temperature null: the model's own
 * @property {number | null} topP
 * @property {number | null} maxTokens
 */

export const choices = new Store(
  /** @type {Choices} */ ({ model: "current", temperature: null, topP: null, maxTokens: null }),
);
