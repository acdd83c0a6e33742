// @ts-check
/** Forms that ask the API: fields with their problems, and what became of the request. */
import { h, html, useRef, useState } from "../ui.js";
import { ApiError } from "../api.js";
import { t } from "../words.js";

/**
 * @typedef {object} Submission
 * @property {boolean} isBusy
 * @property {boolean} isDone since the form was changed last
 * @property {Error | null} error
 * @property {(event?: Event) => Promise<void>} submit for `onSubmit`
 * @property {() => void} forget what became of it, as the form is changed: for `onInput`
 * @property {(...names: string[]) => string | undefined} problemOf what the server said of a field
 */

/**
 * @param {() => Promise<unknown>} send
 * @returns {Submission}
 */
export function useSubmission(send) {
  const idle = { isBusy: false, isDone: false, error: /** @type {Error | null} */ (null) };
  const [state, setState] = useState(idle);
  const running = useRef(false);
  /** @param {Event} [event] */
  const submit = async (event) => {
    event?.preventDefault();
    if (running.current) return; // a second click while the first one is on its way
    running.current = true;
    setState({ ...idle, isBusy: true });
    try {
      await send();
      setState({ ...idle, isDone: true });
    } catch (error) {
      setState({ ...idle, error: /** @type {Error} */ (error) });
    } finally {
      running.current = false;
    }
  };
  const forget = () => setState((before) => (before.isBusy ? before : idle));
  /** @param {string[]} names */
  const problemOf = (...names) =>
    state.error instanceof ApiError && names.includes(state.error.param ?? "") ? state.error.message : undefined;
  return { ...state, submit, forget, problemOf };
}

/**
 * A labelled input; other properties go to the element itself.
 * @param {{id: string, label: string, hint?: string, problem?: string, as?: "input" | "textarea" | "select",
 *   children?: unknown} & Record<string, any>} props
 */
export function Field({ id, label, hint, problem, as = "input", children, ...others }) {
  const about = [hint && `${id}-hint`, problem && `${id}-problem`].filter(Boolean).join(" ") || undefined;
  const element = { id, "aria-describedby": about, "aria-invalid": problem ? "true" : undefined, ...others };
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${h(as, element, /** @type {any} */ (children))}
    ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
    ${problem && html`<p class="problem" id="${id}-problem" role="alert">${problem}</p>`}
  </div>`;
}

/**
 * The end of a form: its button, and what became of the request.
 * @param {object} props
 * @param {Submission} props.submission
 * @param {string} props.label of the button
 * @param {string} [props.done] said when it worked
 * @param {string[]} [props.fields] of which the form itself shows the problems
 * @param {boolean} [props.isDanger]
 * @param {boolean} [props.isPlain] one button among others, not the one that the page is about
 * @param {boolean} [props.disabled]
 * @param {unknown} [props.children] more buttons
 */
export function FormEnd({ submission, label, done, fields = [], isDanger = false, isPlain = false, disabled = false, children }) {
  const { isBusy, isDone, error, problemOf } = submission;
  return html`<div class="form-end">
      <button class=${isDanger ? "is-danger" : isPlain ? "" : "is-primary"} type="submit" disabled=${isBusy || disabled}>
        ${isBusy ? t("One moment…") : label}
      </button>
      ${children}
      <span class="form-done" role="status">${isDone && done}</span>
    </div>
    ${error && !problemOf(...fields) && html`<p class="notice is-error" role="alert">${error.message}</p>`}`;
}

/** @param {(value: string) => void} set @returns {(event: Event) => void} */
export function onText(set) {
  return (event) => set(/** @type {HTMLInputElement} */ (event.target).value);
}
