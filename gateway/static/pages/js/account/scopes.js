// @ts-check
/** What API keys may do, in plain words. */
import { t } from "../words.js";

/** @typedef {"chat" | "embeddings" | "history" | "models:read"} Scope */

/** @returns {{scope: Scope, name: string, about: string}[]} */
export function listScopes() {
  return [
    { scope: "chat", name: t("Chat"), about: t("Ask models, by this product's API or as any client of OpenAI's or Anthropic's does.") },
    { scope: "models:read", name: t("See models"), about: t("See the profiles of all models, how they fit and which one is being served.") },
    { scope: "embeddings", name: t("Embeddings"), about: t("Turn texts into vectors, put documents in order and find classes, for search.") },
    {
      scope: "history",
      name: t("Conversations"),
      about: t("Read and change your saved conversations, folders, prompts, files and stored responses, and read your usage."),
    },
  ];
}

/** @param {Scope[]} scopes */
export function nameScopes(scopes) {
  const names = new Map(listScopes().map(({ scope, name }) => [scope, name]));
  return scopes.map((scope) => names.get(scope) ?? scope).join(", ");
}
