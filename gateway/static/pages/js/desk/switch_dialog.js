// @ts-check
/** Asks before a switch, with what it would do: the plan as the switcher would make it. */
import { Dialog } from "../account/dialog.js";
import { html, useEffect, useState } from "../ui.js";
import { t } from "../words.js";
import { askedSwitch, askToSwitch } from "./calls.js";
import { countTokens, formatSeconds, gradeVerdict, nameVerdict } from "./desk_words.js";

/**
 * @typedef {object} Plan what of it is shown
 * @property {"nothing" | "start" | "rename" | "wake"} kind
 * @property {boolean} accepted
 * @property {string} from_profile
 * @property {number | null} max_model_len
 * @property {number | null} typical_seconds
 * @property {string[]} warnings
 * @property {{message: string, advice: string, may_be_forced: boolean}[]} problems
 * @property {string[]} fetches
 * @property {{verdict: string, why: string}} fit
 */

/** @param {{profile: import("./parts.js").ProfileCard, onClose: () => void}} props */
export function SwitchDialog({ profile, onClose }) {
  const [plan, setPlan] = useState(/** @type {Plan | null} */ (null));
  const [problem, setProblem] = useState("");
  const [isAsking, setAsking] = useState(false);
  useEffect(() => {
    askToSwitch(profile.slug, { isDryRun: true }).then((answer) => setPlan(answer.plan), (error) => setProblem(error.message));
  }, []);
  const confirm = async () => {
    setAsking(true);
    setProblem("");
    try {
      const asked = await askToSwitch(profile.slug);
      onClose();
      askedSwitch.set(asked.id ?? ""); // without one, that profile was served already
    } catch (error) {
      setProblem(/** @type {Error} */ (error).message);
      setAsking(false);
    }
  };
  return html`<${Dialog} id="switch" title=${t("Switch to {profile}?", { profile: profile.slug })} onClose=${onClose}>
    ${plan === null && !problem && html`<p class="quiet" role="status">${t("Making the plan…")}</p>`}
    ${plan && html`<${PlanView} plan=${plan} />`}
    ${problem && html`<p class="notice is-error" role="alert">${problem}</p>`}
    <div class="button-row">
      <button type="button" class="is-primary" disabled=${isAsking || (plan !== null && !plan.accepted)} onClick=${confirm}>
        ${t("Switch to {profile}", { profile: profile.slug })}
      </button>
      <button type="button" onClick=${onClose}>${t("Cancel")}</button>
      <a href=${profile.switch_url}>${t("All settings of this switch")}</a>
    </div>
  </${Dialog}>`;
}

/** @param {{plan: Plan}} props */
function PlanView({ plan }) {
  const source = plan.from_profile || t("nothing");
  return html`<dl class="facts">
      <dt>${t("Served now")}</dt><dd>${source}</dd>
      <dt>${t("GPU fit")}</dt><dd><span class="badge ${gradeVerdict(plan.fit.verdict)}">${nameVerdict(plan.fit.verdict)}</span> ${plan.fit.why}</dd>
      ${plan.max_model_len && html`<dt>${t("Context")}</dt><dd>${countTokens(plan.max_model_len)}</dd>`}
      <dt>${t("It takes")}</dt>
      <dd>${plan.typical_seconds === null ? t("not known: it has not been started yet") : t("about {time}", { time: formatSeconds(plan.typical_seconds) })}</dd>
      ${plan.fetches.length > 0 && html`<dt>${t("Fetched first")}</dt><dd>${plan.fetches.join(", ")}</dd>`}
    </dl>
    ${plan.problems.map((each) => html`<div class="notice is-error"><p><strong>${each.message}</strong></p>${each.advice && html`<p>${each.advice}</p>`}</div>`)}
    ${plan.warnings.map((each) => html`<p class="notice is-warning">${each}</p>`)}
    ${plan.accepted && html`<p class="quiet">${t("Running answers may end first; new requests wait. If the new engine does not start, what is served now is started again.")}</p>`}`;
}
