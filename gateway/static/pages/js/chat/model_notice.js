// @ts-check
/** Above the thread, while no model is ready or another one comes: what is going on, and how long it takes. */
import { useStore } from "../store.js";
import { html, useEffect, useRef } from "../ui.js";
import { formatDate, t, tn } from "../words.js";
import { openModels } from "./model_picker.js";
import { cancelSwitch } from "./model_switching.js";
import { modelStatus, nameOfProfile, profiles } from "./model_status.js";
import { aboutDuration, wordsForPhase } from "./model_words.js";
import { account, isAdmin } from "./page.js";
import { showToast } from "./toasts.js";

/** @typedef {import("./model_status.js").ModelStatus} ModelStatus */

export function ModelNotice() {
  const status = useStore(modelStatus);
  const mayChange = useStore(account, isAdmin);
  useStore(profiles);
  useEnding(status);
  if (!status || (status.state === "ready" && !status.switch)) return null;
  if (status.resting && !status.switch) return html`<${Resting} resting=${status.resting} />`;
  const content = status.switch
    ? html`<${Switching} status=${status} mayChange=${mayChange} />`
    : html`<${NothingServed} status=${status} mayChange=${mayChange} />`;
  return html`<section class="model-notice" aria-label=${t("The model")}>${content}</section>`;
}

/** @param {{status: ModelStatus, mayChange: boolean}} props */
function Switching({ status, mayChange }) {
  const change = /** @type {import("./model_status.js").BriefSwitch} */ (status.switch);
  const name = nameOfProfile(change.to_profile);
  const isBack = change.state === "rolling_back";
  const before = nameOfProfile(status.current_profile);
  const title = isBack
    ? t("{name} did not start.", { name })
    : change.from_profile && change.from_profile !== change.to_profile
      ? t("Switching to {name}", { name })
      : t("Loading {name}", { name });
  return html`<div class="model-notice-text">
      <p role="status"><strong>${title}</strong> · ${wordsForPhase(status.phase)}</p>
      <p class="hint">${[
        status.draining && tn("{count} answer is finishing", "{count} answers are finishing", status.draining.running),
        status.eta_s !== null && (status.eta_s > 0 ? t("Ready in {duration}", { duration: aboutDuration(status.eta_s) }) : t("Longer than usual")),
        before ? t("{name} answers until then", { name: before }) : t("What you send now waits for it"),
        status.waiting && t("Then comes {name}", { name: nameOfProfile(status.waiting.to_profile) }),
      ].filter(Boolean).join(" · ")}</p>
    </div>
    ${mayChange && html`<button type="button" disabled=${change.cancel_requested} onClick=${cancelSwitch}>
      ${change.cancel_requested ? t("Cancelling…") : t("Cancel the switch")}
    </button>`}
    <progress aria-label=${t("Progress")} max="100" value=${status.progress ?? undefined}></progress>`;
}

/** @param {{resting: NonNullable<ModelStatus["resting"]>}} props */
function Resting({ resting }) {
  const name = nameOfProfile(resting.profile);
  return html`<section class="model-notice" aria-label=${t("The model")}><div class="model-notice-text">
    <p role="status"><strong>${t("{name} is resting", { name })}</strong></p>
    <p class="hint">${resting.wake_s === null
      ? t("Your next message wakes it and waits for it.")
      : t("Your next message wakes it, which takes {duration}.", { duration: aboutDuration(resting.wake_s) })}</p>
  </div></section>`;
}

/** @param {{status: ModelStatus, mayChange: boolean}} props */
function NothingServed({ status, mayChange }) {
  const isBroken = status.state === "degraded" || status.state === "unreachable";
  const error = status.state === "degraded" ? status.last_error : null;
  return html`<div class="model-notice-text">
      <p role="status"><strong>${isBroken ? t("The model does not answer.") : t("No model is loaded.")}</strong></p>
      <p class="hint">${[
        error?.message,
        error?.advice,
        status.retry_at && t("It is tried again at {time}.", { time: formatDate(status.retry_at, { timeStyle: "short" }) }),
        !mayChange && t("Ask an administrator to load one."),
      ].filter(Boolean).join(" ")}</p>
    </div>
    ${mayChange && html`<button type="button" onClick=${openModels}>${t("Choose a model")}</button>`}`;
}

/** Says how a switch ended that was under way while the page was open. @param {ModelStatus | null} status */
function useEnding(status) {
  const last = useRef(/** @type {import("./model_status.js").BriefSwitch | null} */ (null));
  const id = status?.switch?.id ?? null;
  useEffect(() => {
    const before = last.current;
    last.current = status?.switch ?? null;
    if (!status || !before || before.id === id) return;
    const name = nameOfProfile(before.to_profile);
    if (status.last_error?.switch_id === before.id) showToast(`${name}: ${status.last_error.message}`, { isError: true });
    else if (status.current_profile === before.to_profile) showToast(t("{name} is ready.", { name }));
  }, [id, status === null]);
}
