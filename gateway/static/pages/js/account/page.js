// @ts-check
/** The account page: a head, a list of its sections, and the sections one below another. */
import { addressOf } from "../address.js";
import { html, useState } from "../ui.js";
import { useStore } from "../store.js";
import { t } from "../words.js";
import { account } from "./account.js";
import { useCurrentPart } from "./current_part.js";
import { Keys } from "./keys.js";
import { Limits } from "./limits.js";
import { MyData } from "./my_data.js";
import { takeNote } from "./notes.js";
import { pageSettings } from "./page_settings.js";
import { Profile } from "./profile.js";
import { Sessions } from "./sessions.js";
import { Shares } from "./shares.js";
import { Usage } from "./usage.js";

/** @typedef {{id: string, title: string, show: () => unknown}} Part */

/** @returns {Part[]} */
function listParts() {
  return [
    { id: "profile", title: t("Profile"), show: Profile },
    { id: "sessions", title: t("Sessions"), show: Sessions },
    { id: "keys", title: t("API keys"), show: Keys },
    { id: "limits", title: t("Limits"), show: Limits },
    { id: "usage", title: t("Usage"), show: Usage },
    ...(pageSettings.sharedLinks ? [{ id: "shares", title: t("Shared links"), show: Shares }] : []),
    { id: "data", title: t("My data"), show: MyData },
  ];
}

export function AccountPage() {
  const [parts] = useState(listParts);
  const current = useCurrentPart(parts.map(({ id }) => id));
  return html`<${PageHead} />
    <div class="account">
      <nav class="account-list" aria-label=${t("Sections")}>
        <ul>
          ${parts.map(({ id, title }) => html`<li key=${id}><a href="#${id}" aria-current=${id === current ? "true" : undefined}>${title}</a></li>`)}
        </ul>
      </nav>
      <main class="account-sections">
        <h1>${t("Account")}</h1>
        <${LeftNote} />
        ${parts.map(({ id, show: Show }) => html`<${Show} key=${id} />`)}
      </main>
    </div>`;
}

function PageHead() {
  const me = useStore(account);
  return html`<header class="account-head">
    <a class="account-back" href=${addressOf("/chat/")}><span aria-hidden="true">←</span> ${t("Back to the chat")}</a>
    <span class="account-name">${me.username}</span>
    ${me.role === "admin" && html`<a href=${addressOf("/admin/")}>${t("Admin")}</a>`}
    <${SignOut} />
  </header>`;
}

function SignOut() {
  const token = document.querySelector('meta[name="csrf-token"]')?.getAttribute("content") ?? "";
  return html`<form method="post" action=${addressOf("/sign-out/")}>
    <input type="hidden" name="csrfmiddlewaretoken" value=${token} />
    <button type="submit">${t("Sign out")}</button>
  </form>`;
}

function LeftNote() {
  const [note] = useState(takeNote);
  if (!note) return null;
  const text = note === "password" ? t("Your password was changed. All other sessions have ended.") : t("Saved.");
  return html`<p class="notice is-good" role="status">${text}</p>`;
}
