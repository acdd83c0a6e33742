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

/** @typedef {Pick<Choices, "temperature" | "topP" | "maxTokens">} Sampling */

const KEY = "sampling";

/** What the API takes. */
export const BOUNDS = {
  temperature: { min: 0, max: 2, step: 0.1 },
  topP: { min: 0.01, max: 1, step: 0.01 },
  maxTokens: { min: 1, max: 1_000_000, step: 1 },
};

/** @type {Sampling} */
const MODELS_OWN = { temperature: null, topP: null, maxTokens: null };

/** The model is chosen anew for each page: what is loaded changes. The rest is kept in this browser. */
export const choices = new Store(/** @type {Choices} */ ({ model: "current", ...readSampling() }));

/** @returns {Sampling} */
function readSampling() {
  /** @type {Record<string, unknown>} */
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem(KEY) ?? "{}") ?? {};
  } catch {
    // Somebody else's words under this key.
  }
  const found = { ...MODELS_OWN };
  for (const name of /** @type {(keyof Sampling)[]} */ (Object.keys(MODELS_OWN))) {
    const value = stored[name];
    if (typeof value === "number" && isWithin(name, value)) found[name] = value;
  }
  return found;
}

/** @param {keyof Sampling} name @param {number} value */
export function isWithin(name, value) {
  const { min, max } = BOUNDS[name];
  return value >= min && value <= max && (name !== "maxTokens" || Number.isInteger(value));
}

/** @param {Partial<Sampling>} changes */
export function chooseSampling(changes) {
  choices.set((before) => ({ ...before, ...changes }));
  const { temperature, topP, maxTokens } = choices.value;
  localStorage.setItem(KEY, JSON.stringify({ temperature, topP, maxTokens }));
}

export function forgetSampling() {
  chooseSampling(MODELS_OWN);
}

addEventListener("storage", (event) => {
  if (event.key === KEY || event.key === null) choices.set((before) => ({ ...before, ...readSampling() }));
});
