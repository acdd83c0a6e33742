// @ts-check
/** Says whether what is shown is live, and since when it is not. */
import { addressOf } from "../address.js";
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { t } from "../words.js";
import { formatTime } from "./desk_words.js";
import { feed } from "./feed.js";

export function FeedStatus() {
  const { state, way, canRead, heardAt } = useStore(feed);
  const time = heardAt ? formatTime(new Date(heardAt).toISOString()) : "";
  return html`<p class="desk-feed" role="status" data-feed=${state} data-way=${way}>${describe()}</p>`;

  function describe() {
    if (state === "signed-out") {
      return html`<span class="badge is-bad">${t("Stopped")}</span> ${t("You are signed out.")} <a href=${addressOf(`/admin/login/?next=${location.pathname}`)}>${t("Sign in again")}</a>`;
    }
    if (!canRead) return html`<span class="badge is-bad">${t("Behind")}</span> ${t("The server cannot read how things are, perhaps because its database is away. What you see may be old.")}`;
    if (state === "behind") return html`<span class="badge is-warn">${t("Behind")}</span> ${t("Last news at {time}. Connecting again…", { time })}`;
    if (state === "starting") return html`<span class="badge is-quiet">${t("Connecting…")}</span>`;
    if (way === "polling") return html`<span class="badge is-quiet">${t("Every 5 seconds")}</span>`;
    return html`<span class="badge is-good">${t("Live")}</span>`;
  }
}
