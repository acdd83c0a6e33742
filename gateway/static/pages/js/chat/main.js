// @ts-check
/**
 * Starts the chat page: `/chat/` is a new conversation, `/chat/#ID` the one with that id, and
 * `/chat/#ID/MESSAGE_ID` a message of it.
 */
import { askJson } from "../api.js";
import { useStore } from "../store.js";
import { html, render, useEffect, useState } from "../ui.js";
import { t } from "../words.js";
import { applyConversation, dropConversation, opened, openConversation, refreshList, rereadConversation, view } from "./conversations.js";
import { titleOf } from "./conversation_actions.js";
import { DialogHost } from "./dialogs.js";
import { closeDrawer, drawer } from "./drawer.js";
import { loadFolders } from "./folders.js";
import { Header } from "./header.js";
import { ModelNotice } from "./model_notice.js";
import { loadProfiles, watchModels } from "./model_status.js";
import { hearOtherTabs } from "./other_tabs.js";
import { loadAccount } from "./page.js";
import { listenToKeys } from "./page_keys.js";
import { Sidebar } from "./sidebar.js";
import { Thread } from "./thread.js";
import { showError, Toasts } from "./toasts.js";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** A list that was not looked at for so long is read anew. */
const STALE_MS = 60_000;

/** @returns {{conversationId: string | null, messageId: string | null}} */
function readPlace() {
  const [conversationId = null, messageId = null] = location.hash.slice(1).split("/").map((id) => (UUID.test(id) ? id : null));
  return { conversationId, messageId };
}

function ChatPage() {
  const { conversationId, messageId } = usePlace();
  const conversation = useStore(opened);
  const isCovered = useStore(drawer);
  useEffect(() => {
    const name = conversationId && conversation ? titleOf(conversation) : t("Chat");
    document.title = `${name} · vLLM Chat Gateway`;
  }, [conversationId, conversation]);
  const onStarted = (/** @type {string} */ id) => {
    location.hash = id;
    putInFolder(id).catch(showError);
  };
  return html`<${Sidebar} conversationId=${conversationId} />
    <div class="chat-main" inert=${isCovered}>
      <${Header} conversationId=${conversationId} />
      <${ModelNotice} />
      <main><${Thread} conversationId=${conversationId} messageId=${messageId} onStarted=${onStarted} /></main>
    </div>
    <${DialogHost} /><${Toasts} />`;
}

/** A conversation that is begun while a folder is shown is in it. @param {string} id */
async function putInFolder(id) {
  const { folderId } = view.value;
  if (!folderId) return;
  applyConversation(await askJson("PATCH", `/api/conversations/${id}`, { body: { folder_id: folderId } }));
}

/** What the address says, as it changes. */
function usePlace() {
  const [place, setPlace] = useState(readPlace);
  useEffect(() => {
    const follow = () => {
      setPlace(readPlace());
      closeDrawer();
    };
    addEventListener("hashchange", follow);
    addEventListener("popstate", follow);
    return () => {
      removeEventListener("hashchange", follow);
      removeEventListener("popstate", follow);
    };
  }, []);
  useEffect(() => void openConversation(place.conversationId), [place.conversationId]);
  return place;
}

/** Other tabs, other devices and sleep change what the list has. */
function keepListFresh() {
  // What cannot be read now is read at the next occasion.
  const refresh = () => void refreshList().catch(() => {});
  hearOtherTabs((change) => {
    if ("folders" in change) loadFolders().catch(() => {});
    else if ("removed" in change) {
      dropConversation(change.removed);
      if (view.value.kind === "trash") refresh();
    } else rereadConversation(change.conversation).catch(() => {});
  });
  let leftAt = 0;
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) leftAt = Date.now();
    else if (Date.now() - leftAt > STALE_MS ) refresh();
  });
  addEventListener("online", refresh);
}

const root = /** @type {HTMLElement} */ (document.getElementById("app"));
root.replaceChildren();
render(html`<${ChatPage} />`, root);
listenToKeys();
keepListFresh();
loadAccount().catch(showError);
loadFolders().catch(showError);
loadProfiles().catch(showError);
watchModels();
