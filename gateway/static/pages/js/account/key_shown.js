// @ts-check
/** A new key, shown this once, with lines that are ready to be used. */
import { html, useEffect, useRef } from "../ui.js";
import { t } from "../words.js";
import { CopyBlock } from "./copying.js";

/** @param {string} key */
function curlLines(key) {
  return `curl ${location.origin}/v1/chat/completions \\
  -H "Authorization: Bearer ${key}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "current", "messages": [{"role": "user", "content": "Hello!"}]}'`;
}

/** @param {string} key */
function pythonLines(key) {
  return `from openai import OpenAI  # pip install openai

client = OpenAI(base_url="${location.origin}/v1", api_key="${key}")
answer = client.chat.completions.create(
    model="current",
    messages=[{"role": "user", "content": "Hello!"}],
)
print(answer.choices[0].message.content)`;
}

/** Of Continue's config.yaml. @param {string} key */
function continueLines(key) {
  return `models:
  - name: Chat Gateway
    provider: openai
    model: current
    apiBase: ${location.origin}/v1
    apiKey: ${key}
    roles: [chat, edit, apply]`;
}

/** The fields of Cline's settings, with "OpenAI Compatible" as the provider. @param {string} key */
function clineLines(key) {
  return `API Provider: OpenAI Compatible
Base URL: ${location.origin}/v1
API Key: ${key}
Model ID: current`;
}

/**
 * @param {object} props
 * @param {import("./keys.js").IssuedKey} props.issued
 * @param {() => void} props.onClose
 */
export function ShownKey({ issued, onClose }) {
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => heading.current?.focus(), [issued.id]);
  const uses = [
    { name: "curl", text: curlLines(issued.key) },
    { name: t("Python, with the openai package"), text: pythonLines(issued.key) },
    { name: t("Continue, in config.yaml"), text: continueLines(issued.key) },
    { name: t("Cline and other editors"), text: clineLines(issued.key) },
  ];
  return html`<div class="shown-key" role="group" aria-labelledby="shown-key-title">
    <h3 id="shown-key-title" ref=${heading} tabindex="-1">${t("Your new key: {name}", { name: issued.name })}</h3>
    <p>${t("Copy it now: it is shown this once, and is stored nowhere.")}</p>
    <${CopyBlock} text=${issued.key} label=${t("API key")} />
    <h4>${t("How to use it")}</h4>
    ${!issued.scopes.includes("chat") && html`<p class="hint">${t("This key may not chat: the lines below are for one that may.")}</p>`}
    ${uses.map(({ name, text }) => html`<details class="more" key=${name}>
      <summary>${name}</summary>
      <${CopyBlock} text=${text} label=${name} />
    </details>`)}
    <p class="hint">${t("“current” is whichever model is being served. A model's own name works too.")}</p>
    <p class="section-end"><button type="button" onClick=${onClose}>${t("I have stored it")}</button></p>
  </div>`;
}
