// @ts-check
/** Branches: which of the messages in one place is shown, and deleting one. */
import { html, useRef, useState } from "../ui.js";
import { t } from "../words.js";
import { describeFailure } from "./failures.js";
import { IconButton } from "./icons.js";
import { chooseBranch, removeBranch } from "./turns.js";

/**
 * @typedef {import("./open_thread.js").OpenThread} OpenThread
 * @typedef {import("./message.js").Message} Message
 */

/** @param {{thread: OpenThread, message: Message}} props */
export function BranchArrows({ thread, message }) {
  const { siblings } = message;
  if (!siblings || siblings.count < 2) return null;
  const go = (/** @type {string | null} */ id) => () => void (id && attempt(thread, () => chooseBranch(thread, id)));
  const { previous_id, next_id } = siblings;
  const isStuck = (/** @type {string | null} */ id) => thread.isAnswering || !id;
  return html`<div class="branches" role="group" aria-label=${t("Versions")}>
    <${IconButton} icon="left" label=${t("Previous version")} disabled=${isStuck(previous_id)} onClick=${go(previous_id)} />
    <span>${siblings.position} / ${siblings.count}</span>
    <${IconButton} icon="right" label=${t("Next version")} disabled=${isStuck(next_id)} onClick=${go(next_id)} />
  </div>`;
}

/** Asks in place before it deletes: there is no way back. @param {{thread: OpenThread, message: Message}} props */
export function DeleteButton({ thread, message }) {
  const [isAsking, setIsAsking] = useState(false);
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  if (!isAsking) {
    const askFirst = () => setIsAsking(true);
    return html`<span ref=${place}>
      <${IconButton} icon="trash" label=${t("Delete")} disabled=${thread.isAnswering} onClick=${askFirst} />
    </span>`;
  }
  const keep = () => {
    setIsAsking(false);
    setTimeout(() => place.current?.querySelector("button")?.focus());
  };
  const remove = () => {
    setIsAsking(false);
    void attempt(thread, () => removeBranch(thread, message.id));
  };
  const leave = (/** @type {KeyboardEvent} */ event) => void (event.key === "Escape" && keep());
  return html`<span ref=${place} class="confirming" role="group" aria-label=${t("Confirm")} onKeyDown=${leave}>
    <span>${t("Delete this message and all that follows it?")}</span>
    <button type="button" class="is-danger" onClick=${remove} ref=${focus}>${t("Delete")}</button>
    <button type="button" onClick=${keep}>${t("Keep")}</button>
  </span>`;
}

/** @param {HTMLElement | null} element */
function focus(element) {
  element?.focus();
}

/** What fails is said above the box. @param {OpenThread} thread @param {() => Promise<unknown>} action */
export async function attempt(thread, action) {
  thread.change({ notice: null });
  try {
    await action();
    return true;
  } catch (error) {
    thread.change({ notice: describeFailure(error) });
    return false;
  }
}
