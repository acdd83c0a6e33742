// @ts-check
/** Why there is no answer, in its place, and the way on. */
import { html, useEffect } from "../ui.js";
import { t } from "../words.js";
import { useSeconds } from "./reasoning.js";
import { dropTurn, isUntaken, tryAgain } from "./turns.js";

/**
 * @param {object} props
 * @param {import("./open_thread.js").OpenThread} props.thread
 * @param {import("./message.js").Item} props.item
 * @param {import("./message.js").Failure} props.failure
 */
export function FailureNotice({ thread, item, failure }) {
  const isWaiting = failure.retryAt !== null;
  const now = useSeconds(isWaiting);
  const seconds = failure.retryAt === null ? 0 : Math.max(0, Math.ceil((failure.retryAt - now) / 1000));
  const retry = () => void tryAgain(thread, item);
  const isDue = failure.triesAgain && isWaiting && seconds === 0 && !thread.isAnswering;
  useEffect(() => {
    if (isDue) retry();
  }, [isDue]);
  const giveBack = () => {
    const message = dropTurn(thread, item.key);
    if (message) thread.returned.set({ content: message.content, files: message.parts ?? [] });
  };
  return html`<div class="notice ${failure.triesAgain ? "is-warning" : "is-error"} failure" role="alert">
    <p>${failure.message} ${seconds > 0 && html`<span aria-live="off">${waitText(failure, seconds)}</span>`}</p>
    <div class="failure-ways">
      <button onClick=${retry} disabled=${!failure.triesAgain && seconds > 0}>${t("Try again")}</button>
      ${isUntaken(thread, item.key) && html`<button class="is-plain" onClick=${giveBack}>${t("Edit before sending")}</button>`}
    </div>
  </div>`;
}

/** @param {import("./message.js").Failure} failure @param {number} seconds */
function waitText(failure, seconds) {
  return failure.triesAgain
    ? t("Trying again in {seconds} s.", { seconds })
    : t("You can try again in {seconds} s.", { seconds });
}
