// @ts-check
/** One message in the list. */
import { Store, useStore } from "../store.js";
import { html } from "../ui.js";
import { formatDate, t } from "../words.js";
import { Answer } from "./answer.js";
import { Editor } from "./editor.js";
import { nameOfProfile, profiles } from "./model_status.js";
import { Question } from "./question.js";

/**
 * @typedef {import("./message.js").Item} Item
 * @typedef {import("./open_thread.js").OpenThread} OpenThread
 */

/**
 * @param {object} props
 * @param {OpenThread} props.thread
 * @param {Item} props.item
 * @param {number} props.place from 1
 * @param {number} props.count -1: not known, as there are earlier ones
 * @param {boolean} props.isLast
 * @param {boolean} props.isTarget
 */
export function MessageRow({ thread, item, place, count, isLast, isTarget }) {
  const isEditing = useStore(thread.editing, (editing) => editing?.key === item.key);
  const { message } = item;
  const who = useWho(item);
  const isOwn = message.role === "user";
  const Body = isOwn ? Question : Answer;
  const edit = () => thread.editing.set({ key: item.key, text: message.content });
  return html`<article
    class="message ${isOwn ? "is-own" : "is-answer"} ${isTarget ? "is-target" : ""}"
    aria-posinset=${place}
    aria-setsize=${count}
    aria-label=${nameOf(message, who)}
  >
    <header class="message-head">
      <span class="message-who">${who}</span>
      <time datetime=${message.created_at} title=${formatDate(message.created_at)}>${timeOf(message.created_at)}</time>
    </header>
    ${
      isEditing
        ? html`<${Editor} thread=${thread} item=${item} />`
        : html`<${Body} thread=${thread} item=${item} isLast=${isLast} onEdit=${edit} />`
    }
  </article>`;
}

const NOTHING = new Store(/** @type {import("./message.js").Said | null} */ (null));

/** The model says its name with its first word. @param {Item} item */
function useWho(item) {
  const model = useStore(/** @type {typeof NOTHING} */ (item.live ?? NOTHING), (said) => said?.model);
  useStore(profiles); // which have the names that the header shows
  return whoOf(model ? { ...item.message, model } : item.message);
}

/** @param {import("./message.js").Message} message */
function whoOf({ role, model, status }) {
  if (role === "user") return t("You");
  if (role === "system") return t("System");
  if (role === "tool") return t("Tool");
  return nameOfProfile(model) || (status === "complete" ? t("Edited by you") : t("Model"));
}

/** @param {import("./message.js").Message} message @param {string} who */
function nameOf(message, who) {
  const values = { who, time: timeOf(message.created_at) };
  return message.role === "user" ? t("Your message, {time}", values) : t("Answer by {who}, {time}", values);
}

/** The time of day, with the day where that is not today. @param {string} moment */
function timeOf(moment) {
  const isToday = new Date(moment).toDateString() === new Date().toDateString();
  return formatDate(moment, isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}
