// @ts-check
/** The dialog about how the next turns are answered: the conversation's prompt, and sampling. */
import { ApiError, askJson } from "../api.js";
import { useStore } from "../store.js";
import { html, useState } from "../ui.js";
import { t } from "../words.js";
import { BOUNDS, choices, chooseSampling, forgetSampling, isWithin } from "./choices.js";
import { applyConversation, opened, rereadConversation } from "./conversations.js";
import { closeDialog, Dialog, openDialog } from "./dialogs.js";
import { announceChange } from "./other_tabs.js";
import { account } from "./page.js";
import { SavedPrompts } from "./saved_prompts.js";
import { showToast } from "./toasts.js";

/** @typedef {import("./choices.js").Sampling} Sampling */
/** @typedef {import("./conversations.js").Conversation} Conversation */

const MAX_PROMPT = 32_000;

/** @param {string | null} conversationId null: a conversation is made when the prompt is saved */
export async function openSettings(conversationId) {
  // As it is now: its version tells whether somebody changed it meanwhile.
  const conversation = conversationId ? await rereadConversation(conversationId).catch(() => opened.value) : null;
  openDialog(() => html`<${SettingsDialog} conversation=${conversation} />`);
}

/** @param {{conversation: Conversation | null}} props */
function SettingsDialog({ conversation }) {
  return html`<${Dialog} title=${t("Settings")} className="settings">
    <${PromptForm} conversation=${conversation} />
    <${SamplingForm} />
  <//>`;
}

/** @param {{conversation: Conversation | null}} props */
function PromptForm({ conversation }) {
  const { base, text, setText, theirs, error, isBusy, save } = usePrompt(conversation);
  const isChanged = text !== base.system_prompt;
  return html`<section>
    <h3>${t("System prompt")}</h3>
    <p class="hint" id="prompt-hint">${conversation
      ? t("What the model is told before this conversation.")
      : t("What the model is told before the new conversation.")}</p>
    <${SavedPrompts} text=${text} onPick=${setText} />
    <label class="visually-hidden" for="system-prompt">${t("System prompt")}</label>
    <textarea
      id="system-prompt" rows="6" maxlength=${MAX_PROMPT} aria-describedby="prompt-hint" value=${text}
      onInput=${(/** @type {any} */ event) => setText(event.target.value)}
    ></textarea>
    ${theirs !== null && html`<div class="notice is-warning" role="alert">
      <p>${t("It was changed elsewhere meanwhile. Save again to put yours in its place, or take the other one:")}</p>
      <blockquote>${theirs || t("(empty)")}</blockquote>
      <button type="button" onClick=${() => setText(theirs)}>${t("Take the other one")}</button>
    </div>`}
    ${error && html`<p class="notice is-error" role="alert">${error}</p>`}
    <div class="dialog-actions">
      <button type="button" class="is-primary" disabled=${!isChanged || isBusy} onClick=${save}>${t("Use this prompt")}</button>
    </div>
  </section>`;
}

/** @param {Conversation | null} conversation */
function usePrompt(conversation) {
  const ownDefault = useStore(account)?.default_system_prompt ?? "";
  const [base, setBase] = useState({ system_prompt: ownDefault, version: 0, ...conversation });
  const [text, setText] = useState(base.system_prompt);
  const [theirs, setTheirs] = useState(/** @type {string | null} */ (null));
  const [error, setError] = useState("");
  const [isBusy, setIsBusy] = useState(false);

  const put = async (/** @type {{system_prompt: string, version: number}} */ known) => {
    const body = { system_prompt: text, version: known.version };
    applyConversation(await askJson("PATCH", `/api/conversations/${conversation?.id}`, { body }));
  };
  const change = async () => {
    try {
      await put(base);
    } catch (refusal) {
      if (!(refusal instanceof ApiError && refusal.code === "version_conflict" && conversation)) throw refusal;
      const now = await rereadConversation(conversation.id);
      if (!now) throw refusal;
      setBase(now);
      // A turn makes a new version too: only another prompt is a conflict.
      if (now.system_prompt !== base.system_prompt) return setTheirs(now.system_prompt);
      await put(now);
    }
    end();
  };
  const create = async () => {
    const made = await askJson("POST", "/api/conversations", { body: { system_prompt: text } });
    await rereadConversation(made.id);
    announceChange(made.id);
    end();
    location.hash = made.id;
  };
  const end = () => {
    if (conversation) announceChange(conversation.id);
    closeDialog();
    showToast(t("Saved. It counts from the next message."));
  };
  const save = async () => {
    setError("");
    setTheirs(null);
    setIsBusy(true);
    await (conversation ? change() : create()).catch((refusal) => setError(refusal.message));
    setIsBusy(false);
  };
  return { base, text, setText, theirs, error, isBusy, save };
}

function SamplingForm() {
  useStore(choices);
  const [count, setCount] = useState(0);
  const forget = () => {
    forgetSampling();
    setCount(count + 1);
  };
  return html`<section key=${count}>
    <h3>${t("Sampling")}</h3>
    <p class="hint">${t("For all your conversations in this browser. Leave a field empty for the model’s own.")}</p>
    <div class="sampling">
      <${NumberField} name="temperature" label=${t("Temperature")} hint=${t("0 to 2: higher is more varied.")} />
      <${NumberField} name="topP" label=${t("Top P")} hint=${t("Up to 1: lower is more predictable.")} />
      <${NumberField} name="maxTokens" label=${t("Longest answer")} hint=${t("In tokens.")} />
    </div>
    <div class="dialog-actions"><button type="button" onClick=${forget}>${t("Reset to the model’s own")}</button></div>
  </section>`;
}

/** @param {{name: keyof Sampling, label: string, hint: string}} props */
function NumberField({ name, label, hint }) {
  const [text, setText] = useState(choices.value[name]?.toString() ?? "");
  const { min, max, step } = BOUNDS[name];
  const value = text.trim() === "" ? null : Number(text.replace(",", "."));
  const isWrong = value !== null && !isWithin(name, value);
  const onInput = (/** @type {any} */ event) => {
    // A number field tells nothing of what is no number: that must not count as empty.
    const isUnreadable = event.target.validity.badInput;
    const written = isUnreadable ? "?" : event.target.value;
    setText(written);
    const wanted = written.trim() === "" ? null : Number(written);
    if (wanted === null || isWithin(name, wanted)) chooseSampling({ [name]: wanted });
  };
  return html`<div>
    <label for=${`field-${name}`}>${label}</label>
    <input
      id=${`field-${name}`} type="number" inputmode="decimal" min=${min} max=${max} step=${step === 1 ? 1 : "any"} defaultValue=${text}
      placeholder=${t("Model’s own")} aria-invalid=${isWrong} aria-describedby=${`hint-${name}`} onInput=${onInput}
    />
    <span class=${isWrong ? "field-error" : "hint"} id=${`hint-${name}`}>
      ${isWrong ? t("From {min} to {max}. Not used as it is.", { min, max }) : hint}
    </span>
  </div>`;
}
