// @ts-check
/** State that components share, outside of them. */
import { useEffect, useState } from "./ui.js";

/**
 * A value that can be watched. Values are replaced, never changed in place.
 * @template T
 */
export class Store {
  /** @type {Set<() => void>} */
  #watchers = new Set();

  /** @param {T} value */
  constructor(value) {
    this.value = value;
  }

  /** @param {T | ((before: T) => T)} next */
  set(next) {
    const value = typeof next === "function" ? /** @type {(before: T) => T} */ (next)(this.value) : next;
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** @param {() => void} watcher @returns {() => void} which ends it */
  watch(watcher) {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}

/**
 * What `select` makes of the store's value; the component is rendered again when that changes.
 * @template T
 * @template [S=T]
 * @param {Store<T>} store
 * @param {(value: T) => S} [select]
 * @returns {S}
 */
export function useStore(store, select = (value) => /** @type {any} */ (value)) {
  const [, render] = useState(0);
  const selected = select(store.value);
  useEffect(() => {
    let seen = selected;
    const look = () => {
      const now = select(store.value);
      if (!Object.is(now, seen)) {
        seen = now;
        render((count) => count + 1);
      }
    };
    look();
    return store.watch(look);
  }, [store]);
  return selected;
}
