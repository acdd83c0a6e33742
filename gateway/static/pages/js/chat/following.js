// @ts-check
/** The end of a running answer is followed only while its reader is there. */
import { Store } from "../store.js";
import { useEffect, useLayoutEffect, useRef, useState } from "../ui.js";

const KEY = "follows-answers";

/** Whether new answers are followed at all, or the reader stays at their beginning. */
export const followsAnswers = new Store(localStorage.getItem(KEY) !== "no");

/** @param {boolean} follows */
export function chooseFollowing(follows) {
  localStorage.setItem(KEY, follows ? "yes" : "no");
  followsAnswers.set(follows);
}

/** How far from the end still counts as there, in pixels. */
const NEAR = 24;

/**
 * @param {{current: HTMLElement | null}} scroller
 * @param {{current: HTMLElement | null}} content
 * @param {string | null} runningKey of the answer that is written: what the reader asks for leads to the end
 */
export function useFollowing(scroller, content, runningKey) {
  const follows = useRef(true);
  const [isAtEnd, setIsAtEnd] = useState(true);

  function goToEnd() {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  }

  function resume() {
    follows.current = true;
    setIsAtEnd(true);
    goToEnd();
  }

  useEffect(() => {
    const element = /** @type {HTMLElement} */ (scroller.current);
    const observer = new ResizeObserver(() => {
      if (follows.current) goToEnd();
      else setIsAtEnd(isAtEndOf(element));
    });
    observer.observe(element);
    if (content.current) observer.observe(content.current);
    const end = watchReader(element, follows, setIsAtEnd);
    return () => {
      end();
      observer.disconnect();
    };
  }, []);

  useLayoutEffect(() => {
    if (!runningKey) return;
    resume();
    follows.current = followsAnswers.value;
  }, [runningKey]);

  return { isAtEnd, resume, end: () => void (follows.current = false) };
}

/** @param {HTMLElement} element */
function isAtEndOf(element) {
  return element.scrollHeight - element.scrollTop - element.clientHeight <= NEAR;
}

/**
 * @param {HTMLElement} element
 * @param {{current: boolean}} follows is kept
 * @param {(isAtEnd: boolean) => void} onMove
 * @returns {() => void} which ends it
 */
function watchReader(element, follows, onMove) {
  let [top, height] = [element.scrollTop, element.scrollHeight];
  const look = () => {
    const isThere = isAtEndOf(element);
    // Where the content shrinks, the browser moves the reader.
    const isLeaving = element.scrollTop < top && element.scrollHeight >= height;
    if (isLeaving) follows.current = false;
    else if (isThere && followsAnswers.value) follows.current = true;
    [top, height] = [element.scrollTop, element.scrollHeight];
    onMove(follows.current || isThere);
  };
  const leave = (/** @type {WheelEvent} */ event) => {
    if (event.deltaY < 0 && element.scrollTop > 0) follows.current = false;
  };
  element.addEventListener("scroll", look, { passive: true });
  element.addEventListener("wheel", leave, { passive: true });
  return () => {
    element.removeEventListener("scroll", look);
    element.removeEventListener("wheel", leave);
  };
}
