// @ts-check
/** What an answer cost: tokens, speed, times, and what the model did not get to read. */
import { html } from "../ui.js";
import { formatNumber, t, tn } from "../words.js";
import { useContextBound } from "./context_bound.js";

/**
 * @param {object} props
 * @param {import("./message.js").Message} props.message
 * @param {import("./open_thread.js").OpenThread} props.thread
 */
export function Facts({ message }) {
  const bound = useContextBound(message.model);
  const facts = factsOf(message);
  // An estimate may leave out what was read.
  const isKnown = message.usage && message.usage.prompt_tokens > 0;
  const context = message.usage && isKnown && bound ? contextOf(message.usage.total_tokens, bound) : null;
  if (!facts.length && !message.omitted_messages) return null;
  return html`<div class="facts">
    ${facts.map((fact) => html`<span key=${fact}>${fact}</span>`)}
    ${context && html`<span class=${context.isClose ? "is-close" : ""}>${context.text}</span>`}
    ${
      message.omitted_messages > 0 &&
      html`<span class="is-close">
        ${tn(
          "{count} earlier message did not fit and was not read",
          "{count} earlier messages did not fit and were not read",
          message.omitted_messages,
        )}
      </span>`
    }
  </div>`;
}

/** @param {import("./message.js").Message} message */
function factsOf({ usage, usage_source, ttft_ms, latency_ms }) {
  /** @type {string[]} */
  const facts = [];
  if (usage && !usage.completion_tokens) return facts;
  if (usage) {
    const count = usage.completion_tokens;
    const isEstimated = usage_source === "estimated";
    facts.push(
      isEstimated ? tn("about {count} token", "about {count} tokens", count) : tn("{count} token", "{count} tokens", count),
    );
  }
  if (usage && latency_ms && latency_ms > (ttft_ms ?? 0)) {
    const speed = usage.completion_tokens / ((latency_ms - (ttft_ms ?? 0)) / 1000);
    facts.push(t("{speed} tokens/s", { speed: formatNumber(speed, { maximumFractionDigits: speed < 10 ? 1 : 0 }) }));
  }
  if (ttft_ms !== null) {
    const seconds = formatNumber(ttft_ms / 1000, { maximumFractionDigits: 2 });
    facts.push(t("first token after {seconds} s", { seconds }));
  }
  return facts;
}

/** @param {number} tokens @param {number} bound */
function contextOf(tokens, bound) {
  const values = { used: formatNumber(tokens), bound: formatNumber(bound) };
  return { text: t("context {used} of {bound}", values), isClose: tokens > 0.8 * bound };
}
