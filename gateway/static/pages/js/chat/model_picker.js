// @ts-check
/** Which model answers, in the header; and the dialog of all models. */
import { useStore } from "../store.js";
import { html, useEffect } from "../ui.js";
import { language, t } from "../words.js";
import { choices } from "./choices.js";
import { Dialog, openDialog } from "./dialogs.js";
import { Icon } from "./icons.js";
import { cancelSwitch, openSwitchDialog } from "./model_switching.js";
import { isStatusOld, loadProfiles, loadStartSeconds, modelStatus, nameOfProfile, profiles, startSeconds } from "./model_status.js";
import { aboutDuration, contextWords, wordForState, wordForVerdict, wordsForUse } from "./model_words.js";
import { account, isAdmin } from "./page.js";
import { showError } from "./toasts.js";

/** @typedef {import("./model_status.js").Profile} Profile */

/** In the order of the list. Who cannot switch has nothing from the last ones. */
const VERDICTS = ["fits", "tight", "unknown", "does_not_fit"];

export function ModelPicker() {
  const status = useStore(modelStatus);
  const isOld = useStore(isStatusOld);
  const chosen = useStore(choices, (value) => value.model);
  useStore(profiles);
  if (!status) return html`<button type="button" class="model-button" disabled>${t("Model")}</button>`;
  const wanted = chosen === "current" ? idOf(status) : chosen;
  const state = isOld ? t("Cannot be seen") : wordForState(status.state);
  const name = nameOfProfile(wanted) || state;
  const mark = isOld ? "unknown" : status.state;
  return html`<button type="button" class="model-button" aria-haspopup="dialog" title=${`${name} · ${state}`} onClick=${openModels}>
    <span class=${`state-dot is-${mark}`} aria-hidden="true"></span>
    <span class="visually-hidden">${t("Model:")}</span>
    <span class="model-name">${name}</span>
    ${name !== state && html`<span class=${status.state === "ready" && !isOld ? "visually-hidden" : "model-state"}>${state}</span>`}
    <${Icon} name="chevron" />
  </button>`;
}

/** What answers, also where a message has to wake it first. @param {import("./model_status.js").SlotStatus} slot */
function idOf(slot) {
  return slot.current_profile ?? slot.resting?.profile ?? null;
}

/** What was chosen by name is let go when it is no longer loaded. */
modelStatus.watch(() => {
  const names = modelStatus.value?.slots.map(idOf);
  choices.set((before) => (before.model === "current" || names?.includes(before.model) ? before : { ...before, model: "current" }));
});

export function openModels() {
  openDialog(() => html`<${ModelsDialog} />`);
}

function ModelsDialog() {
  const status = useStore(modelStatus);
  const all = useStore(profiles);
  const mayChange = useStore(account, isAdmin);
  useEffect(() => void Promise.all([loadProfiles(), loadStartSeconds()]).catch(showError), []);
  const loaded = (status?.slots ?? []).map(idOf).filter((id) => id !== null);
  const others = all
    .filter((profile) => profile.is_enabled && !loaded.includes(profile.id))
    .filter((profile) => mayChange || profile.fit.verdict !== "does_not_fit")
    .sort((one, other) => VERDICTS.indexOf(one.fit.verdict) - VERDICTS.indexOf(other.fit.verdict));
  return html`<${Dialog} title=${t("Models")} className="models">
    <h3>${t("Loaded now")}</h3>
    ${loaded.length > 1 && html`<${LoadedChoice} loaded=${loaded} />`}
    <ul class="model-list">
      ${loaded.map((id) => html`<${ModelItem} key=${id} id=${id} profile=${all.find((profile) => profile.id === id)} isLoaded />`)}
      ${!loaded.length && html`<li class="hint">${t("No model is loaded.")}</li>`}
    </ul>
    ${status?.switch && html`<p class="notice">
      ${t("Now: switching to {name}.", { name: nameOfProfile(status.switch.to_profile) })}
      ${mayChange && html` <button type="button" onClick=${cancelSwitch} disabled=${status.switch.cancel_requested}>${t("Cancel the switch")}</button>`}
    </p>`}
    <h3>${t("Other models")}</h3>
    <${Others} isOnly=${status?.slots.length === 1} mayChange=${mayChange} />
    <ul class="model-list">
      ${!others.length && html`<li class="hint">${t("There are no others.")}</li>`}
      ${others.map((profile) => html`<${ModelItem} key=${profile.id} id=${profile.id} profile=${profile} mayChange=${mayChange} />`)}
    </ul>
  <//>`;
}

/** What it means to have another one. @param {{isOnly: boolean, mayChange: boolean}} props */
function Others({ isOnly, mayChange }) {
  return html`<p class="hint">
    ${isOnly && t("One model is loaded at a time, for everybody.")}${" "}
    ${mayChange
      ? t("A switch interrupts everybody until the new one is ready.")
      : t("Only administrators can load another one: ask one of them. While they do, running answers may finish, and new messages wait until it is ready.")}
  </p>`;
}

/** @param {{loaded: string[]}} props */
function LoadedChoice({ loaded }) {
  const chosen = useStore(choices, (value) => value.model);
  const choose = (/** @type {any} */ event) => choices.set((before) => ({ ...before, model: event.target.value }));
  return html`<label for="model-choice">${t("Answer with")}</label>
    <select id="model-choice" value=${chosen} onChange=${choose}>
      <option value="current">${t("Whatever is loaded")}</option>
      ${loaded.map((id) => html`<option value=${id}>${nameOfProfile(id)}</option>`)}
    </select>`;
}

/** @param {{id: string, profile: Profile | undefined, isLoaded?: boolean, mayChange?: boolean}} props */
function ModelItem({ id, profile, isLoaded = false, mayChange = false }) {
  const tookSeconds = useStore(startSeconds, (value) => value[id]);
  const slot = useStore(modelStatus, (status) => status?.slots.find((each) => idOf(each) === id));
  const about = [
    isLoaded ? "" : profile && wordForVerdict(profile.fit.verdict),
    profile?.fit.context && contextWords(profile.fit.context),
  ].filter(Boolean);
  const use = isLoaded ? wordsForUse(slot?.requests ?? null) : loadingWords(tookSeconds);
  const description = profile?.description[language] || profile?.description["en"];
  return html`<li class="model">
    <div class="model-about">
      <strong>${profile?.name ?? id}</strong>
      ${about.length > 0 && html`<span class="hint">${about.join(" · ")}</span>`}
      ${use && html`<span class="hint">${use}</span>`}
      ${description && html`<details><summary>${t("About this model")}</summary><p>${description}</p></details>`}
    </div>
    ${mayChange && profile && html`<button
      type="button" aria-label=${t("Switch to {name}…", { name: profile.name })} onClick=${() => openSwitchDialog(profile)}
    >${t("Switch…")}</button>`}
  </li>`;
}

/** How long a switch takes. @param {number | undefined} seconds that the last start took */
function loadingWords(seconds) {
  return seconds === undefined
    ? t("It has not been loaded here yet, so how long that takes is not known.")
    : t("Loading it took {duration} last time.", { duration: aboutDuration(seconds) });
}
