// @ts-check
/** Prompts that are kept to be used again: the reader's own, and those that administrators share. */
import { ask, askJson } from "../api.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../ui.js";
import { t } from "../words.js";

/** @typedef {{id: string, title: string, content: string, shared: boolean, own: boolean}} SavedPrompt */

const MAX_TITLE = 100;

/**
 * @param {object} props
 * @param {string} props.text what would be saved
 * @param {(text: string) => void} props.onPick
 */
export function SavedPrompts({ text, onPick }) {
  const { prompts, error, save, remove } = useSavedPrompts();
  const [pickedId, setPickedId] = useState("");
  const picked = prompts.find((prompt) => prompt.id === pickedId) ?? null;
  const pick = (/** @type {any} */ event) => {
    setPickedId(event.target.value);
    const prompt = prompts.find((each) => each.id === event.target.value);
    if (prompt) onPick(prompt.content);
  };
  const removePicked = async () => {
    if (picked && (await remove(picked))) setPickedId("");
  };
  return html`<div class="saved-prompts">
    <label for="saved-prompt">${t("Saved prompts")}</label>
    <div class="line">
      <select id="saved-prompt" value=${pickedId} onChange=${pick}>
        <option value="">${prompts.length ? t("Choose one…") : t("None yet")}</option>
        ${prompts.map((prompt) => html`<option value=${prompt.id} key=${prompt.id}>${nameOf(prompt)}</option>`)}
      </select>
      ${picked?.own && html`<${TwoSteps} key=${picked.id} label=${t("Delete")} sure=${t("Really delete?")} run=${removePicked} />`}
    </div>
    <${NewPrompt} text=${text} onSave=${async (/** @type {string} */ title) => setPickedId((await save(title, text)) ?? pickedId)} />
    ${error && html`<p class="notice is-error" role="alert">${error}</p>`}
  </div>`;
}

/** @param {SavedPrompt} prompt */
function nameOf(prompt) {
  return prompt.shared ? t("{title} (shared)", { title: prompt.title }) : prompt.title;
}

/** @param {{text: string, onSave: (title: string) => void}} props */
function NewPrompt({ text, onSave }) {
  const [title, setTitle] = useState(/** @type {string | null} */ (null));
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const isNaming = title !== null;
  useLayoutEffect(() => {
    if (isNaming) box.current?.focus();
  }, [isNaming]);
  if (title === null) {
    return html`<button type="button" class="is-plain is-small" disabled=${!text.trim()} onClick=${() => setTitle("")}>
      ${t("Save the text below for other conversations…")}
    </button>`;
  }
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!title.trim()) return;
    onSave(title.trim());
    setTitle(null);
  };
  return html`<form class="line" onSubmit=${submit}>
    <input
      type="text" aria-label=${t("Name of the prompt")} placeholder=${t("Name of the prompt")} maxlength=${MAX_TITLE} autocomplete="off"
      value=${title} ref=${box}
      onInput=${(/** @type {any} */ event) => setTitle(event.target.value)}
    />
    <button type="submit" class="is-primary" disabled=${!title.trim()}>${t("Save")}</button>
    <button type="button" onClick=${() => setTitle(null)}>${t("Cancel")}</button>
  </form>`;
}

/** A button that asks once more in its own place. @param {{label: string, sure: string, run: () => void}} props */
function TwoSteps({ label, sure, run }) {
  const [isAsking, setIsAsking] = useState(false);
  const onClick = () => (isAsking ? run() : setIsAsking(true));
  return html`<button type="button" class="is-danger" onClick=${onClick} onBlur=${() => setIsAsking(false)}>${isAsking ? sure : label}</button>`;
}

function useSavedPrompts() {
  const [prompts, setPrompts] = useState(/** @type {SavedPrompt[]} */ ([]));
  const [error, setError] = useState("");
  const read = async () => {
    /** @type {SavedPrompt[]} */
    const all = [];
    for (let after = ""; ; after = `&after=${all.at(-1)?.id}`) {
      const page = await askJson("GET", `/api/prompts?limit=100${after}`);
      all.push(...page.data);
      if (!page.has_more) break;
    }
    setPrompts(all);
  };
  /** @template T @param {() => Promise<T>} act @returns {Promise<T | null>} */
  const attempt = async (act) => {
    setError("");
    try {
      const result = await act();
      await read();
      return result;
    } catch (refusal) {
      setError(refusal instanceof Error ? refusal.message : String(refusal));
      return null;
    }
  };
  useEffect(() => void attempt(async () => {}), []);
  const save = async (/** @type {string} */ title, /** @type {string} */ content) => {
    const made = await attempt(() => askJson("POST", "/api/prompts", { body: { title, content } }));
    return /** @type {string | null} */ (made?.id ?? null);
  };
  const remove = (/** @type {SavedPrompt} */ prompt) =>
    attempt(async () => Boolean(await ask("DELETE", `/api/prompts/${prompt.id}`)));
  return { prompts, error, save, remove };
}
