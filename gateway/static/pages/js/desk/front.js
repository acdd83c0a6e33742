// @ts-check
/** The front page of the operators' desk. */
import { useStore } from "../store.js";
import { html, render } from "../ui.js";
import { t } from "../words.js";
import { Alarms } from "./alarms.js";
import { desk, followDesk } from "./feed.js";
import { FeedStatus } from "./feed_status.js";
import { Gpus } from "./gpus.js";
import { LiveSwitches } from "./live_switches.js";
import { Profiles } from "./profiles.js";
import { RecentSwitches } from "./recent_switches.js";
import { Serving } from "./serving.js";
import { UsageTodayCard } from "./usage_today.js";

function FrontPage() {
  const hasNews = useStore(desk, (parts) => parts.serving !== undefined);
  return html`<div class="desk-title"><h1>${t("Desk")}</h1><${FeedStatus} /></div>
    <${Alarms} />
    ${!hasNews && html`<p class="quiet" role="status">${t("Asking the server…")}</p>`}
    <div class="desk-columns">
      <div class="desk-main"><${LiveSwitches} /><${Serving} /></div>
      <div class="desk-side"><${RecentSwitches} /><${UsageTodayCard} /></div>
    </div>
    <${Gpus} />
    <${Profiles} />`;
}

const place = document.getElementById("desk");
if (place) {
  place.replaceChildren();
  render(html`<${FrontPage} />`, place);
  void followDesk();
}
