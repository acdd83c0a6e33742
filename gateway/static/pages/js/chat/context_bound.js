// @ts-check
/** How many tokens the served models can read at once. */
import { askJson } from "../api.js";
import { Store, useStore } from "../store.js";
import { useEffect } from "../ui.js";

/** By model. @type {Store<Record<string, number>>} */
const bounds = new Store({});
const REFRESH_MS = 60_000;
/** By model: one that was switched to a moment ago is not among those that were read before. @type {Map<string, number>} */
const askedAt = new Map();

/** @param {string} model @returns {number | null} null: not known */
export function useContextBound(model) {
  const known = useStore(bounds);
  useEffect(() => {
    if (!model || model in known || Date.now() - (askedAt.get(model) ?? 0) < REFRESH_MS) return;
    askedAt.set(model, Date.now());
    void read();
  }, [model]);
  return known[model] ?? null;
}

async function read() {
  /** @type {{data: {id: string, max_model_len: number | null}[]} | null} */
  const models = await askJson("GET", "/v1/models").catch(() => null);
  const found = (models?.data ?? []).flatMap(({ id, max_model_len }) => (max_model_len ? [[id, max_model_len]] : []));
  bounds.set((before) => ({ ...before, ...Object.fromEntries(found) }));
}
