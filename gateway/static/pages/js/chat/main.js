// @ts-check
/** Starts the chat page: `/chat/` is a new conversation, `/chat/#ID` the one with that id. */
import { html, render, useEffect, useState } from "../ui.js";
import { Sidebar } from "./sidebar.js";
import { Thread } from "./thread.js";

function currentId() {
  return location.hash.slice(1) || null;
}

function ChatPage() {
  const [conversationId, setConversationId] = useState(currentId());
  useEffect(() => {
    const follow = () => setConversationId(currentId());
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, []);
  return html`<${Sidebar} conversationId=${conversationId} />
    <main><${Thread} conversationId=${conversationId} onStarted=${(/** @type {string} */ id) => (location.hash = id)} /></main>`;
}

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${ChatPage} />`, root);
