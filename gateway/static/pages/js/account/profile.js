// @ts-check
/** Who one is here, in which language, and how new conversations begin. */
import { html, useState } from "../ui.js";
import { useStore } from "../store.js";
import { t } from "../words.js";
import { account, changeAccount } from "./account.js";
import { Field, FormEnd, onText, useSubmission } from "./form.js";
import { leaveNote } from "./notes.js";
import { PasswordForm } from "./password.js";
import { Section } from "./section.js";
import { ThemeChoice } from "./theme_choice.js";

const MAX_PROMPT = 32_000;

export function Profile() {
  return html`<${Section} id="profile" title=${t("Profile")} intro=${t("Who you are here, and how pages and answers suit you.")}>
    <${ProfileForm} />
    <hr />
    <${ThemeChoice} />
    <hr />
    <${Password} />
  </${Section}>`;
}

function Password() {
  const me = useStore(account);
  if (me.has_password) return html`<${PasswordForm} />`;
  return html`<h3>${t("Password")}</h3>
    <p class="hint">${t("You sign in with your company account, and have no password here.")}</p>`;
}

function ProfileForm() {
  const me = useStore(account);
  const [email, setEmail] = useState(me.email ?? "");
  const [locale, setLocale] = useState(me.locale);
  const [prompt, setPrompt] = useState(me.default_system_prompt);
  const form = useSubmission(async () => {
    const isOtherLanguage = locale !== me.locale;
    await changeAccount({ email: email.trim() || null, locale, default_system_prompt: prompt });
    if (!isOtherLanguage) return;
    leaveNote("saved");
    location.reload();
  });
  return html`<form onSubmit=${form.submit} onInput=${form.forget}>
    <div class="field-pair">
      <${Field} id="username" label=${t("User name")} value=${me.username} readonly
        hint=${t("An administrator can change it.")} />
      <${Field} id="email" label=${t("E-mail")} type="email" autocomplete="email" maxlength="254" value=${email}
        onInput=${onText(setEmail)} problem=${form.problemOf("email")}
        hint=${me.has_password ? t("You can sign in with it instead of the user name.") : undefined} />
    </div>
    <${LanguageField} value=${locale} onChange=${setLocale} />
    <${Field} id="prompt" as="textarea" rows="5" maxlength=${MAX_PROMPT} label=${t("Your own instructions")} value=${prompt}
      onInput=${onText(setPrompt)} problem=${form.problemOf("default_system_prompt")}
      hint=${t("Sent as the system prompt of each new conversation, unless the conversation has its own.")} />
    <${FormEnd} submission=${form} label=${t("Save profile")} done=${t("Saved.")}
      fields=${["email", "default_system_prompt"]} />
  </form>`;
}

/**
 * @param {object} props
 * @param {string} props.value
 * @param {(value: string) => void} props.onChange
 */
function LanguageField({ value, onChange }) {
  const known = ["", "en", "ko"];
  return html`<${Field} id="locale" as="select" label=${t("Language")} value=${value} onChange=${onText(onChange)}>
    <option value="">${t("Same as the browser")}</option>
    <option value="en" lang="en">English</option>
    <option value="ko" lang="ko">한국어</option>
    ${known.includes(value) ? null : html`<option value=${value}>${value}</option>`}
  </${Field}>`;
}
