// @ts-check
/** Administrators ask for another model here, after they have seen what that means. */
import { askJson } from "../api.js";
import { html, useEffect, useState } from "../ui.js";
import { t } from "../words.js";
import { closeDialog, Dialog, openDialog } from "./dialogs.js";
import { modelStatus, nameOfProfile, readStatus } from "./model_status.js";
import { aboutDuration } from "./model_words.js";
import { showError } from "./toasts.js";

/** @typedef {import("./model_status.js").Profile} Profile */
/**
 * A part of a plan: what `POST /api/models/switch` would do.
 * @typedef {object} Plan
 * @property {string} kind
 * @property {string} from_profile
 * @property {boolean} accepted
 * @property {string[]} fetches
 * @property {string[]} warnings
 * @property {number | null} typical_seconds
 * @property {{message: string, advice: string, may_be_forced: boolean}[] | null} problems
 */

/** @param {Profile} profile */
export function openSwitchDialog(profile) {
  openDialog(() => html`<${SwitchDialog} profile=${profile} />`);
}

export async function cancelSwitch() {
  const id = modelStatus.value?.switch?.id;
  if (!id) return;
  try {
    await askJson("POST", `/api/models/switches/${id}/cancel`, { body: {} });
    await readStatus();
  } catch (error) {
    showError(error);
  }
}

/** @param {{profile: Profile}} props */
function SwitchDialog({ profile }) {
  const [plan, setPlan] = useState(/** @type {Plan | null} */ (null));
  const [error, setError] = useState("");
  const [isForced, setIsForced] = useState(false);
  const [isBusy, setIsBusy] = useState(false);
  const attempt = async (/** @type {() => Promise<void>} */ act) => {
    setError("");
    setIsBusy(true);
    await act().catch((refusal) => setError(refusal instanceof Error ? refusal.message : String(refusal)));
    setIsBusy(false);
  };
  const request = (/** @type {object} */ options) =>
    askJson("POST", "/api/models/switch", { body: { profile_id: profile.id, force: isForced, ...options } });
  useEffect(() => void attempt(async () => setPlan((await request({ dry_run: true })).plan)), [isForced]);
  const begin = () => attempt(async () => {
    await request({});
    closeDialog();
    await readStatus();
  });
  const problems = plan?.problems ?? [];
  const mayBeForced = problems.length > 0 && problems.every((problem) => problem.may_be_forced);
  return html`<${Dialog} title=${t("Switch to {name}?", { name: profile.name })}>
    ${!plan && !error && html`<p role="status">${t("Looking at what it takes…")}</p>`}
    ${plan && html`<${PlanWords} plan=${plan} />`}
    ${error && html`<p class="notice is-error" role="alert">${error}</p>`}
    ${mayBeForced && html`<label class="check">
      <input type="checkbox" checked=${isForced} onChange=${(/** @type {any} */ event) => setIsForced(event.target.checked)} />
      ${t("Try it nevertheless")}
    </label>`}
    <div class="dialog-actions">
      <button type="button" class="is-primary" disabled=${!plan?.accepted || isBusy} onClick=${begin}>${t("Switch for everybody")}</button>
      <button type="button" data-autofocus onClick=${closeDialog}>${t("Cancel")}</button>
    </div>
  <//>`;
}

/** @param {{plan: Plan}} props */
function PlanWords({ plan }) {
  if (plan.kind === "nothing") return html`<p>${t("It is loaded already.")}</p>`;
  const before = nameOfProfile(plan.from_profile);
  const duration = plan.typical_seconds;
  return html`<ul class="plan">
      <li>${before
        ? t("{name} stops for everybody. Answers that run now may finish first; new ones wait.", { name: before })
        : t("Nothing is loaded now, so nobody is interrupted.")}</li>
      <li>${plan.kind !== "start"
        ? t("It takes a few seconds.")
        : duration === null
          ? t("How long it takes is not known: it has not been started here yet.")
          : t("It takes {duration}, by earlier starts.", { duration: aboutDuration(duration) })}</li>
      ${before && html`<li>${t("If it fails, {name} comes back.", { name: before })}</li>`}
      ${plan.fetches.map((text) => html`<li>${t("Fetched first: {what}", { what: text })}</li>`)}
    </ul>
    ${plan.warnings.map((text) => html`<p class="notice is-warning">${text}</p>`)}
    ${(plan.problems ?? []).map((problem) => html`<p class="notice is-error">${problem.message} ${problem.advice}</p>`)}`;
}
