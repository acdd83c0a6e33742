// @ts-check
/** What a model thought before it answered, folded. */
import { html, useEffect, useState } from "../ui.js";
import { t } from "../words.js";

/**
 * @param {object} props
 * @param {string} props.text
 * @param {number} [props.startedAt] left out: how long it took is not known
 * @param {number | null} [props.until]
 * @param {boolean} [props.isRunning]
 */
export function Reasoning({ text, startedAt, until, isRunning = false }) {
  const now = useSeconds(isRunning);
  const seconds = startedAt === undefined ? null : Math.max(1, Math.round(((until ?? now) - startedAt) / 1000));
  return html`<details class="folded reasoning">
    <summary>${titleOf(isRunning, seconds)}</summary>
    <div class="reasoning-text">${text}</div>
  </details>`;
}

/** @param {boolean} isRunning @param {number | null} seconds */
function titleOf(isRunning, seconds) {
  if (seconds === null) return t("Thoughts");
  return isRunning ? t("Thinking… {seconds} s", { seconds }) : t("Thought for {seconds} s", { seconds });
}

/** The time, which goes on each second while it `isRunning`. @param {boolean} isRunning */
export function useSeconds(isRunning) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isRunning) return;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [isRunning]);
  return now;
}
