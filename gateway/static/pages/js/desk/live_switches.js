// @ts-check
/** Switches under way: states, progress, expected end, and the button that ends one. */
import { useStore } from "../store.js";
import { html, useEffect, useRef, useState } from "../ui.js";
import { t } from "../words.js";
import { askedSwitch, cancelSwitch } from "./calls.js";
import { formatSeconds, nameSwitchState } from "./desk_words.js";
import { desk } from "./feed.js";

/** @typedef {import("./parts.js").LiveSwitch} LiveSwitch */

export function LiveSwitches() {
  const live = useStore(desk, (parts) => parts.live) ?? [];
  return html`${live.map((each) => html`<${SwitchProgress} key=${each.id} change=${each} />`)}`;
}

/** @param {{change: LiveSwitch}} props */
function SwitchProgress({ change }) {
  const heading = `live-${change.id}`;
  const source = change.from_profile || t("nothing");
  const section = useRef(/** @type {HTMLElement | null} */ (null));
  const isAskedHere = useStore(askedSwitch, (id) => id === change.id);
  useEffect(() => {
    if (!isAskedHere) return;
    // The button that asked stands far below. An effect runs after the dialog has given the focus back.
    section.current?.focus({ preventScroll: true });
    section.current?.scrollIntoView({ block: "center" });
  }, [isAskedHere]);
  useEffect(() => {
    const element = section.current;
    // What has the focus when it goes leaves the keyboard at the top of the page: its outcome stands among the last.
    return () => {
      if (element?.contains(document.activeElement)) document.getElementById("recent-title")?.focus({ preventScroll: true });
    };
  }, []);
  return html`<section ref=${section} tabindex="-1" class="card is-wide desk-live" aria-labelledby=${heading}>
    <div class="card-head">
      <h2 id=${heading}><a href=${change.url}>${t("Switch from {source} to {target}", { source, target: change.to_profile })}</a></h2>
      <span class="badge is-warn">${nameSwitchState(change.state)}</span>
    </div>
    ${!change.is_waiting && html`<${Progress} change=${change} />`}
    ${change.detail && html`<p>${change.detail}</p>`}
    <ol class="desk-steps">
      ${change.steps.map((step) => html`<${Step} key=${step.state} step=${step} isCurrent=${step.state === change.state} />`)}
    </ol>
    <${CancelButton} change=${change} onAsk=${() => section.current?.focus({ preventScroll: true })} />
  </section>`;
}

/** @param {{change: LiveSwitch}} props */
function Progress({ change }) {
  const { percent, remaining_s: left } = change;
  const words = [
    percent !== null && `${percent} %`,
    left !== null && (left > 0 ? t("about {time} left", { time: formatSeconds(left) }) : t("ready any moment")),
  ].filter(Boolean);
  return html`<progress class="meter" max="100" value=${percent ?? undefined} aria-label=${t("Progress")}></progress>
    <p class="desk-eta">${words.length ? words.join(" · ") : t("How long it takes is not known yet.")}</p>`;
}

/** @param {{step: import("./parts.js").SwitchStep, isCurrent: boolean}} props */
function Step({ step, isCurrent }) {
  const seconds = step.seconds === null ? "" : formatSeconds(step.seconds);
  return html`<li class=${isCurrent ? "is-current" : step.is_ahead ? "is-ahead" : ""} aria-current=${isCurrent ? "step" : undefined}>
    ${nameSwitchState(step.state)}${seconds && html` <span class="quiet">${seconds}</span>`}
  </li>`;
}

/** @param {{change: LiveSwitch, onAsk: () => void}} props `onAsk`: the button goes, and with it the focus */
function CancelButton({ change, onAsk }) {
  const [isAsked, setAsked] = useState(false);
  const [problem, setProblem] = useState("");
  const cancel = async () => {
    onAsk();
    setAsked(true);
    setProblem("");
    try {
      await cancelSwitch(change.id);
    } catch (error) {
      setAsked(false);
      setProblem(/** @type {Error} */ (error).message);
    }
  };
  if (!change.can_cancel) {
    return html`<p class="quiet">${t("{name} asked for it to end.", { name: change.cancelled_by })}</p>`;
  }
  const effect = !change.from_profile
    ? t("Then nothing is served.")
    : change.is_harmless ? t("What is served goes on.") : t("What was served before is started again.");
  return html`${problem && html`<p class="desk-problem" role="alert">${problem}</p>`}
    <div class="button-row">
      <button type="button" class="is-danger" disabled=${isAsked} onClick=${cancel}>${t("Cancel this switch")}</button>
      <span class="quiet">${effect}</span>
    </div>`;
}
