// @ts-check
/** Which part of the page is being read, for the list at the side. */
import { useEffect, useState } from "../ui.js";

/**
 * @param {string[]} ids of the sections, in their order
 * @returns {string} the id of the first one that stands in the upper part of the window
 */
export function useCurrentPart(ids) {
  const [current, setCurrent] = useState(ids[0]);
  useEffect(() => {
    /** @type {Set<string>} */
    const visible = new Set();
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          if (isIntersecting) visible.add(target.id);
          else visible.delete(target.id);
        }
        const first = ids.find((id) => visible.has(id));
        if (first) setCurrent(first);
      },
      // Below the head, and above the middle.
      { rootMargin: "-80px 0px -55% 0px" },
    );
    for (const id of ids) {
      const section = document.getElementById(id);
      if (section) observer.observe(section);
    }
    return () => observer.disconnect();
  }, []);
  return current;
}
