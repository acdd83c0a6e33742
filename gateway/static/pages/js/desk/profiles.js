// @ts-check
/** The profiles as cards, each with its verdict and the button that switches to it. */
import { addressOf } from "../address.js";
import { useStore } from "../store.js";
import { html, useState } from "../ui.js";
import { t } from "../words.js";
import { countTokens, gradeVerdict, nameVerdict } from "./desk_words.js";
import { desk } from "./feed.js";
import { SwitchDialog } from "./switch_dialog.js";

/** @typedef {import("./parts.js").ProfileCard} ProfileCard */

const ALL_PATH = addressOf("/admin/modelops/modelprofile/");
const RANKS = { fits: 0, tight: 1, unknown: 2, does_not_fit: 3 };

export function Profiles() {
  const profiles = useStore(desk, (parts) => parts.profiles);
  const served = useStore(desk, (parts) => listServed(parts).join(" ")).split(" ");
  const [wanted, setWanted] = useState(/** @type {ProfileCard | null} */ (null));
  if (!profiles) return null;
  const sorted = [...profiles].sort((one, other) =>
    Number(served.includes(other.slug)) - Number(served.includes(one.slug)) || RANKS[one.verdict] - RANKS[other.verdict]);
  return html`<section aria-labelledby="profiles-title">
    <div class="section-head"><h2 id="profiles-title">${t("Profiles")}</h2><a href=${ALL_PATH}>${t("All profiles")}</a></div>
    ${profiles.length === 0 && html`<p class="quiet">${t("There are no profiles yet. Add one in the list of profiles.")}</p>`}
    <ul class="cards">
      ${sorted.map((profile) => html`<${ProfileView} key=${profile.slug} profile=${profile}
        isServed=${served.includes(profile.slug)} onSwitch=${() => setWanted(profile)} />`)}
    </ul>
    ${wanted && html`<${SwitchDialog} key=${wanted.slug} profile=${wanted} onClose=${() => setWanted(null)} />`}
  </section>`;
}

/** @param {import("./parts.js").DeskParts} parts */
function listServed(parts) {
  return (parts.serving?.slots ?? []).map((slot) => slot.profile).filter(Boolean);
}

/** @param {{profile: ProfileCard, isServed: boolean, onSwitch: () => void}} props */
function ProfileView({ profile, isServed, onSwitch }) {
  const heading = `profile-${profile.slug}`;
  return html`<li class="card desk-profile ${isServed ? "is-current" : ""}" aria-labelledby=${heading} data-profile=${profile.slug}>
    <div class="card-head">
      <h3 id=${heading}><a href=${profile.url}>${profile.slug}</a></h3>
      ${isServed
        ? html`<span class="badge is-good">${t("served")}</span>`
        : html`<a class="badge ${gradeVerdict(profile.verdict)}" href=${profile.fit_url}>${nameVerdict(profile.verdict)}</a>`}
    </div>
    <p>${profile.name}</p>
    <p class="quiet">${describeProfile(profile)}</p>
    ${!isServed && html`<div class="button-row">
      <button type="button" aria-describedby=${heading} onClick=${onSwitch}>${t("Switch")}</button>
    </div>`}
  </li>`;
}

/** @param {ProfileCard} profile */
function describeProfile(profile) {
  return [
    profile.context !== null && countTokens(profile.context),
    // Why it does not fit says how many are needed.
    profile.context !== null && profile.tensor_parallel_size > 1 && t("on {count} GPUs", { count: profile.tensor_parallel_size }),
    profile.quantization,
    profile.is_default && t("default"),
    profile.context === null && profile.why,
  ].filter(Boolean).join(" · ");
}
