// @ts-check
/** What an operator should act on: each alarm with what to do, and the way there. */
import { addressOf } from "../address.js";
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { t } from "../words.js";
import { desk } from "./feed.js";

/** @typedef {import("./parts.js").Alarm} Alarm */

export function Alarms() {
  const alarms = useStore(desk, (parts) => parts.alarms) ?? [];
  return html`<div role="status" aria-label=${t("Alarms")} class="desk-alarms">
    ${alarms.map((alarm) => html`<${AlarmView} key=${`${alarm.code} ${alarm.message}`} alarm=${alarm} />`)}
  </div>`;
}

/** @param {{alarm: Alarm}} props */
function AlarmView({ alarm }) {
  const way = findWay(alarm);
  const grade = alarm.level === "bad" ? t("Alarm") : t("Warning");
  return html`<div class="notice ${alarm.level === "bad" ? "is-error" : "is-warning"}" data-alarm=${alarm.code}>
    <p><strong>${grade}: ${alarm.message}</strong></p>
    <p>${alarm.advice}</p>
    ${(way || alarm.remedies.length > 0) && html`<div class="notice-actions">
      ${alarm.remedies.map((remedy) => html`<a key=${remedy.url} class="button" href=${remedy.url}>${remedy.title}</a>`)}
      ${way && html`<a class="button" href=${way.href}>${way.name}</a>`}
    </div>`}
  </div>`;
}

/** @param {Alarm} alarm */
function findWay(alarm) {
  const admin = addressOf("/admin/modelops");
  if (alarm.target === "switch") return { href: `${admin}/switch/${alarm.switch}/change/`, name: t("See the switch and its log") };
  if (alarm.target === "switches") return { href: `${admin}/switch/`, name: t("See the switches") };
  if (alarm.target === "gpus") return { href: `${admin}/hardwaresample/`, name: t("See the GPUs") };
  if (alarm.target === "profiles") return { href: `${admin}/modelprofile/`, name: t("See the profiles") };
  return null;
}
