// @ts-check
/** What a slot serves: since when, by which image and flags, and how busy its engine is. */
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { t } from "../words.js";
import { countTokens, formatFigure, formatSeconds, formatTime, gradeSlotState, nameReplicaState, nameSlotState } from "./desk_words.js";
import { desk } from "./feed.js";
import { LoadCharts } from "./load_charts.js";

/** @typedef {import("./parts.js").SlotFacts} SlotFacts */

export function Serving() {
  const serving = useStore(desk, (parts) => parts.serving);
  if (!serving) return null;
  const isOne = serving.slots.length === 1;
  return html`${serving.slots.map((slot) => html`<${SlotCard} key=${slot.slot} slot=${slot} isOne=${isOne} />`)}`;
}

/** @param {{slot: SlotFacts, isOne: boolean}} props */
function SlotCard({ slot, isOne }) {
  const heading = `serving-${slot.slot}`;
  return html`<section class="card is-wide" aria-labelledby=${heading} data-slot=${slot.slot}>
    <div class="card-head">
      <h2 id=${heading}>
        ${slot.profile || slot.resting?.profile || t("No model is served")}
        ${!isOne && html` <span class="quiet">${t("in slot {slot}", { slot: slot.slot })}</span>`}
      </h2>
      <span class="badge ${gradeSlotState(slot.state)}">${nameSlotState(slot.state)}</span>
    </div>
    ${slot.problem && html`<p class="desk-problem">${slot.problem}</p>`}
    ${slot.advice && html`<p class="quiet">${slot.advice}</p>`}
    ${slot.retry_at && html`<p class="quiet">${t("The next attempt is at {time}.", { time: formatTime(slot.retry_at) })}</p>`}
    ${slot.resting && html`<p class="quiet">${wordsForRest(slot.resting)}</p>`}
    ${slot.next_change && html`<p class="quiet">${wordsForChange(slot.next_change)}</p>`}
    ${slot.schedule_problem && html`<p class="desk-problem">${t("The schedule could not be followed: {problem}", { problem: slot.schedule_problem })}</p>`}
    <${EngineRows} slot=${slot} />
    ${slot.profile && html`<${Figures} slot=${slot.slot} />`}
    ${slot.replicas && html`<p class="quiet">${t("The load is that of the replica that leads.")}</p>`}
    <${LoadCharts} slot=${slot.slot} />
  </section>`;
}

/** @param {NonNullable<SlotFacts["resting"]>} resting */
function wordsForRest({ is_asleep: isAsleep, wake_s: seconds }) {
  const what = isAsleep
    ? t("Nobody used it for a while, so its engine sleeps. The next request wakes it.")
    : t("Nobody used it for a while, so its engine was stopped. The next request starts it.");
  return seconds === null ? what : `${what} ${t("That usually takes {duration}.", { duration: formatSeconds(seconds) })}`;
}

/** @param {NonNullable<SlotFacts["next_change"]>} change */
function wordsForChange({ at, profile, window }) {
  const when = formatTime(at);
  if (window) return t("The schedule switches to {profile} at {time} ({window}).", { profile, time: when, window });
  return profile ? t("The schedule switches back to {profile} at {time}.", { profile, time: when }) : t("The window of the schedule ends at {time}.", { time: when });
}

/** @param {{slot: SlotFacts}} props */
function EngineRows({ slot }) {
  const { engine } = slot;
  if (!engine) {
    return html`${slot.since && slot.state === "ready" && html`<p class="quiet">${t("By an engine that is started elsewhere.")}</p>`}`;
  }
  const cards = engine.gpu_count && engine.gpu_name ? `${engine.gpu_count} × ${engine.gpu_name}` : "";
  return html`<dl class="facts">
    <dt>${t("Since")}</dt><dd>${engine.ready_at ? formatTime(engine.ready_at) : "–"}</dd>
    ${engine.image && html`<dt>${t("Image")}</dt><dd><code>${engine.image}</code></dd>`}
    ${slot.replicas
      ? html`<dt>${t("Replicas")}</dt><dd><${Replicas} replicas=${slot.replicas} /></dd>`
      : html`<dt>${t("Engine")}</dt><dd><a href=${engine.url}>${engine.name}</a></dd>`}
    ${engine.max_model_len && html`<dt>${t("Context")}</dt><dd>${countTokens(engine.max_model_len)}</dd>`}
    ${cards && html`<dt>${t("On")}</dt><dd>${cards}</dd>`}
    <dt>${t("Flags")}</dt>
    <dd><details><summary>${t("Show the command")}</summary><code class="desk-command">${engine.arguments.join(" ")}</code></details></dd>
  </dl>`;
}

/** @param {{replicas: import("./parts.js").ReplicasFacts}} props */
function Replicas({ replicas }) {
  const { wanted, serving, problem, engines } = replicas;
  return html`<p>${t("{serving} of {wanted} answer", { serving, wanted })}</p>
    ${problem && html`<p class="desk-problem">${problem}</p>`}
    <ul class="desk-replicas">
      ${engines.map((engine) => html`<li key=${engine.name}>
        <a href=${engine.url}>${engine.name}</a>${" "}
        <span class="badge ${engine.state === "serving" ? "is-good" : "is-quiet"}">${nameReplicaState(engine.state)}</span>
        ${engine.is_leader && html` <span class="quiet">${t("leads")}</span>`}
      </li>`)}
    </ul>`;
}

/** @param {{slot: string}} props */
function Figures({ slot }) {
  const load = useStore(desk, (parts) => parts.load?.[slot]);
  if (!load) return html`<p class="quiet">${t("How busy it is shows here as soon as the switcher has read it from the engine.")}</p>`;
  const usage = load.kv_cache_usage === null ? null : load.kv_cache_usage;
  const seconds = load.first_token_s === null ? "–" : t("{count} s", { count: formatFigure(load.first_token_s, { maximumFractionDigits: 2 }) });
  const figures = [
    [formatFigure(load.running), t("running")],
    [formatFigure(load.waiting), t("waiting")],
    [formatFigure(load.prompt_tokens_per_s), t("tokens/s in")],
    [formatFigure(load.generation_tokens_per_s), t("tokens/s out")],
    [formatFigure(usage, { style: "percent", maximumFractionDigits: 0 }), t("KV cache in use")],
    [seconds, t("to the first token")],
  ];
  return html`<div class="figures desk-load">
    ${figures.map(([value, name]) => html`<div class="figure"><b>${value}</b><span>${name}</span></div>`)}
  </div>`;
}
