// @ts-check
/** What the reader thinks of an answer. */
import { html, useState } from "../ui.js";
import { t } from "../words.js";
import { attempt } from "./branches.js";
import { IconButton } from "./icons.js";
import { giveFeedback } from "./thread_calls.js";

/** As administrators read them. @returns {[string, string][]} */
function reasons() {
  return [
    ["", t("Choose a reason")],
    ["wrong", t("It is wrong")],
    ["not what I asked", t("It is not what I asked")],
    ["hard to read", t("It is hard to read")],
    ["language", t("It is in the wrong language")],
    ["unsafe", t("It is unsafe or offensive")],
  ];
}

/**
 * @typedef {object} FeedbackProps
 * @property {import("./open_thread.js").OpenThread} thread
 * @property {import("./message.js").Message} message
 */

/** @param {FeedbackProps & {onAsk: () => void}} props */
export function FeedbackButtons({ thread, message, onAsk }) {
  const given = message.feedback?.rating;
  const rate = (/** @type {"up" | "down"} */ rating) => async () => {
    const isTakenBack = given === rating;
    const isKept = await save(thread, message, isTakenBack ? null : { rating, reason: "", comment: "" });
    if (isKept && rating === "down" && !isTakenBack) onAsk();
  };
  const [isUp, isDown] = [given === "up", given === "down"];
  return html`<${IconButton} icon="thumbUp" label=${t("Good answer")} isPressed=${isUp} onClick=${rate("up")} />
    <${IconButton} icon="thumbDown" label=${t("Bad answer")} isPressed=${isDown} onClick=${rate("down")} />`;
}

/** @param {FeedbackProps & {onEnd: () => void}} props */
export function FeedbackForm({ thread, message, onEnd }) {
  const [reason, setReason] = useState("");
  const [comment, setComment] = useState("");
  const choose = (/** @type {any} */ event) => setReason(event.target.value);
  const write = (/** @type {any} */ event) => setComment(event.target.value);
  const send = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (await save(thread, message, { rating: "down", reason, comment })) onEnd();
  };
  return html`<form class="feedback" onSubmit=${send} aria-label=${t("Feedback")}>
    <label>
      ${t("What is wrong with it?")}
      <select value=${reason} onChange=${choose}>
        ${reasons().map(([value, text]) => html`<option key=${value} value=${value}>${text}</option>`)}
      </select>
    </label>
    <label>
      ${t("Comment")}
      <textarea rows="2" maxlength="4000" value=${comment} onInput=${write} />
    </label>
    <p class="hint">${t("Administrators read this, without what you asked and what was answered.")}</p>
    <div class="editor-ways">
      <button type="button" onClick=${onEnd}>${t("Close")}</button>
      <button type="submit" class="is-primary">${t("Send feedback")}</button>
    </div>
  </form>`;
}

/**
 * @param {FeedbackProps["thread"]} thread
 * @param {FeedbackProps["message"]} message
 * @param {import("./message.js").Feedback | null} feedback null: take it back
 */
function save(thread, message, feedback) {
  return attempt(thread, async () => {
    if (!thread.id) return;
    await giveFeedback(thread.id, message.id, feedback);
    const items = thread.view.value.items.map((item) =>
      item.message.id === message.id ? { ...item, message: { ...item.message, feedback } } : item,
    );
    thread.change({ items });
  });
}
