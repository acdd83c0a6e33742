// @ts-check
/** Data of one component: asked for when it is shown, and again when it has changed. */
import { useCallback, useEffect, useRef, useState } from "../ui.js";

/**
 * @template T
 * @param {() => Promise<T>} load
 * @param {unknown[]} [needs] what it depends on
 * @returns {{data: T | null, error: Error | null, reload: () => Promise<void>}}
 */
export function useLoaded(load, needs = []) {
  const [state, setState] = useState(/** @type {{data: T | null, error: Error | null}} */ ({ data: null, error: null }));
  const latest = useRef(0);
  const reload = useCallback(async () => {
    const attempt = ++latest.current;
    try {
      const data = await load();
      // An answer that was overtaken by another one is of no use.
      if (attempt === latest.current) setState({ data, error: null });
    } catch (error) {
      if (attempt === latest.current) setState((before) => ({ ...before, error: /** @type {Error} */ (error) }));
    }
  }, needs);
  useEffect(() => void reload(), [reload]);
  return { ...state, reload };
}
