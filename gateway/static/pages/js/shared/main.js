// @ts-check
/** Shows what a shared link shows. Nobody is signed in here: the link's token is all that is sent. */
import { addressOf, basePath } from "../address.js";
import { Markdown } from "../chat/markdown_view.js";
import { html, render, useEffect, useState } from "../ui.js";
import { formatDate, t } from "../words.js";

/**
 * @typedef {object} SharedMessage
 * @property {"user" | "assistant"} role
 * @property {string} content
 * @property {{type: string, name?: string}[] | null} parts
 * @property {string} model
 * @property {string} created_at
 *
 * @typedef {{title: string, messages: SharedMessage[], before: string | null}} SharedPage
 */

const address = addressOf(`/api${location.pathname.slice(basePath.length)}`);

/** @param {string | null} before @returns {Promise<SharedPage>} */
async function load(before) {
  const query = before ? `?before=${encodeURIComponent(before)}` : "";
  const response = await fetch(address + query, { credentials: "omit" });
  if (!response.ok) throw new Error(String(response.status));
  return response.json();
}

/** Says why there is nothing to read. @param {unknown} error */
function wordsFor(error) {
  return error instanceof Error && error.message === "404"
    ? t("This link does not work, or not any more. Ask whoever sent it for another one.")
    : t("The conversation could not be loaded. Try again in a moment.");
}

function Shared() {
  const [page, setPage] = useState(/** @type {SharedPage | null} */ (null));
  const [problem, setProblem] = useState("");
  const read = (/** @type {string | null} */ before) =>
    load(before).then(
      (earlier) => setPage((now) => ({ ...earlier, messages: [...earlier.messages, ...(now?.messages ?? [])] })),
      (error) => setProblem(wordsFor(error)),
    );
  useEffect(() => void read(null), []);
  if (problem) return html`<main class="shared"><p class="notice is-warning" role="alert">${problem}</p></main>`;
  if (!page) return html`<p class="starting" role="status">${t("Loading…")}</p>`;
  return html`<main class="shared">
    <h1>${page.title || t("Shared conversation")}</h1>
    <p class="shared-about">${t("Somebody shared this conversation with you. It is shown as it was then.")}</p>
    ${page.before && html`<button class="earlier" onClick=${() => read(page.before)}>${t("Earlier messages")}</button>`}
    ${page.messages.map((message) => html`<${Message} message=${message} />`)}
  </main>`;
}

/** @param {{message: SharedMessage}} props */
function Message({ message }) {
  const isOwn = message.role === "user";
  return html`<article class="message ${isOwn ? "is-own" : "is-answer"}">
    <header class="message-head">
      <span class="message-who">${isOwn ? t("Question") : message.model || t("Answer")}</span>
      <time datetime=${message.created_at}>${formatDate(message.created_at)}</time>
    </header>
    ${isOwn
      ? html`<div class="bubble">${message.content}</div>`
      : html`<${Markdown} source=${message.content} isRunning=${false} owner=${message} />`}
    ${nameFiles(message).map((name) => html`<p class="attached">${name}</p>`)}
  </article>`;
}

/** What was attached: its files are its owner's alone. @param {SharedMessage} message */
function nameFiles({ parts }) {
  return (parts ?? [])
    .filter((part) => part.type !== "text")
    .map((part) => (part.type === "image" ? t("An image was attached.") : t("Attached: {name}", { name: part.name ?? "" })));
}

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${Shared} />`, root);
