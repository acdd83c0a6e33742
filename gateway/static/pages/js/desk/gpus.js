// @ts-check
/** The GPUs: what holds the memory of each, how warm it is, what it draws, who else is on it. */
import { addressOf } from "../address.js";
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { formatDate, formatNumber, t } from "../words.js";
import { formatGib } from "./desk_words.js";
import { desk } from "./feed.js";

/** @typedef {import("./parts.js").BoxPart} BoxPart */
/** @typedef {import("./parts.js").GpuCard} GpuCard */
/** @typedef {import("./parts.js").MemoryParts} MemoryParts */

const GPUS_PATH = addressOf("/admin/modelops/hardwaresample/");
const HOT_C = 85;

export function Gpus() {
  const gpus = useStore(desk, (parts) => parts.gpus);
  const boxes = useStore(desk, (parts) => parts.boxes) ?? [];
  if (gpus === undefined) return null;
  const head = html`<div class="section-head"><h2 id="gpus-title">${t("GPUs")}</h2><a href=${GPUS_PATH}>${t("All readings")}</a></div>`;
  if (boxes.length > 0) {
    return html`<section aria-labelledby="gpus-title">${head}${boxes.map((box) => html`<${BoxView} key=${box.name} box=${box} />`)}</section>`;
  }
  return html`<section aria-labelledby="gpus-title">
    ${head}
    ${gpus === null || gpus.cards.length === 0
      ? html`<p class="quiet">${gpus === null ? t("Nobody has read the GPUs lately. The switcher does it while it runs.") : t("There is no GPU on this machine. The simulated engine needs none.")}</p>`
      : html`<div class="cards">${gpus.cards.map((card) => html`<${GpuView} key=${card.index} card=${card} />`)}</div>`}
  </section>`;
}

/** One of several boxes: whether its switcher is heard of, its slots, its cards. @param {{box: BoxPart}} props */
function BoxView({ box }) {
  const title = box.host || box.name;
  const seen = box.seen_at && formatDate(box.seen_at, { dateStyle: "medium", timeStyle: "short" });
  return html`<section class="desk-box" data-box=${box.name} aria-labelledby=${`box-${box.name}`}>
    <div class="card-head">
      <h3 id=${`box-${box.name}`}>${title}</h3>
      ${box.is_heard
        ? html`<span class="badge is-good">${t("switcher runs")}</span>`
        : html`<span class="badge is-bad">${t("not heard of")}</span>`}
    </div>
    <p class="quiet">${[
      box.slots.length > 0 ? t("Slots: {slots}", { slots: box.slots.join(", ") }) : t("No slot is on it."),
      !box.is_heard && seen && t("Heard of last: {time}", { time: seen }),
    ].filter(Boolean).join(" · ")}</p>
    ${box.cards === null
      ? html`<p class="quiet">${t("Nobody has read its GPUs lately.")}</p>`
      : box.cards.length === 0
        ? html`<p class="quiet">${t("It has no GPU.")}</p>`
        : html`<div class="cards">${box.cards.map((card) => html`<${GpuView} key=${card.index} card=${card} box=${box.name} />`)}</div>`}
  </section>`;
}

/** @param {{card: GpuCard, box?: string}} props */
function GpuView({ card, box = "" }) {
  const heading = `gpu-${box}${card.index}`;
  const others = card.processes.filter((process) => !process.is_ours);
  return html`<section class="card" aria-labelledby=${heading} data-gpu=${card.index}>
    <div class="card-head">
      <h3 id=${heading}>${t("GPU {index}", { index: card.index })}</h3>
      <${Condition} card=${card} />
    </div>
    <p class="quiet">${card.name ?? "–"}${card.profile && ` · ${card.profile}`}</p>
    ${card.memory && html`<${MemoryBar} memory=${card.memory} index=${card.index} />`}
    <dl class="facts">
      <dt>${t("Load")}</dt><dd>${card.utilization_percent === null ? "–" : `${card.utilization_percent} %`}</dd>
      <dt>${t("Card temperature")}</dt><dd>${card.temperature_c === null ? "–" : `${card.temperature_c} °C`}</dd>
      <dt>${t("Power")}</dt><dd>${describePower(card)}</dd>
    </dl>
    ${others.length > 0 && html`<p>${t("Other processes:")}</p>
      <ul class="desk-processes">${others.map((process) => html`<li key=${process.pid}>
        <code>${process.name ?? t("unknown")}</code> <span class="quiet">${t("pid {pid}", { pid: process.pid })}${process.used_bytes !== null && `, ${formatGib(process.used_bytes)}`}</span>
      </li>`)}</ul>`}
  </section>`;
}

/** @param {{card: GpuCard}} props */
function Condition({ card }) {
  if (!card.is_usable) return html`<span class="badge is-bad">${t("not usable")}</span>`;
  if ((card.temperature_c ?? 0) >= HOT_C) return html`<span class="badge is-warn">${t("hot")}</span>`;
  return html`<span class="badge is-good">${t("well")}</span>`;
}

/** @param {GpuCard} card */
function describePower(card) {
  if (card.power_w === null) return "–";
  const watts = formatNumber(card.power_w);
  return card.power_limit_w === null
    ? t("{watts} W", { watts })
    : t("{watts} of {limit} W", { watts, limit: formatNumber(card.power_limit_w) });
}

/** @param {MemoryParts} memory */
function listParts(memory) {
  return [
    { name: t("weights"), bytes: memory.weights, part: "part-1" },
    { name: t("KV cache"), bytes: memory.kv_cache, part: "part-2" },
    { name: t("rest of the engine"), bytes: memory.engine_rest, part: "part-3" },
    { name: t("others and driver"), bytes: memory.others, part: "part-4" },
    { name: t("free"), bytes: memory.free, part: "part-free" },
  ];
}

/** @param {{memory: MemoryParts, index: number}} props */
function MemoryBar({ memory, index }) {
  const parts = listParts(memory).filter((part) => part.bytes > 0);
  const said = parts.map((part) => `${part.name} ${formatGib(part.bytes)}`).join(", ");
  let left = 0;
  return html`<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img"
      aria-label=${t("Memory of GPU {index}: {parts}", { index, parts: said })}>
      ${parts.map((part) => {
        const width = (100 * part.bytes) / memory.total;
        const bar = html`<rect key=${part.part} class=${part.part} x=${left} y="0" width=${width} height="10"></rect>`;
        left += width;
        return bar;
      })}
    </svg>
    <ul class="legend">${parts.map((part) => html`<li key=${part.part} class="key ${part.part}">${part.name} ${formatGib(part.bytes)}</li>`)}</ul>`;
}
