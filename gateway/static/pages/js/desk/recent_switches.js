// @ts-check
/** The last switches, and why each that failed did: one click from here to its page. */
import { addressOf } from "../address.js";
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { t } from "../words.js";
import { formatSeconds, formatTime, nameSwitchState } from "./desk_words.js";
import { desk } from "./feed.js";

/** @typedef {import("./parts.js").EndedSwitch} EndedSwitch */

const ALL_PATH = addressOf("/admin/modelops/switch/");

export function RecentSwitches() {
  const recent = useStore(desk, (parts) => parts.recent);
  if (!recent) return null;
  return html`<section class="card" aria-labelledby="recent-title">
    <div class="card-head"><h2 id="recent-title" tabindex="-1">${t("Last switches")}</h2><a href=${ALL_PATH}>${t("All switches")}</a></div>
    ${recent.length === 0 && html`<p class="quiet">${t("There has been none yet.")}</p>`}
    <ul class="desk-recent">${recent.map((change) => html`<${RecentSwitch} key=${change.id} change=${change} />`)}</ul>
  </section>`;
}

/** @param {{change: EndedSwitch}} props */
function RecentSwitch({ change }) {
  const source = change.from_profile || t("nothing");
  const grade = change.is_failed ? "is-bad" : change.is_cancelled ? "is-quiet" : "is-good";
  const outcome = change.is_cancelled ? t("cancelled") : nameSwitchState(change.state);
  return html`<li>
    <div class="card-head">
      <a href=${change.url}>${source} → ${change.to_profile}</a>
      <span class="badge ${grade}">${outcome}</span>
    </div>
    <p class="quiet">${formatTime(change.created_at)}${change.seconds !== null && ` · ${formatSeconds(change.seconds)}`}${change.actor && ` · ${change.actor}`}</p>
    ${change.cause && html`<p class="desk-problem"><a href=${change.url}>${change.cause.message}</a></p>`}
  </li>`;
}
