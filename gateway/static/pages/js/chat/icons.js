// @ts-check
/** Line drawings for buttons; the button itself says what it does. */
import { html } from "../ui.js";

/** In a box of 24 by 24. @type {Record<string, string>} */
const PATHS = {
  again: "M4 12a8 8 0 0 1 13.7-5.6L20 8.7M20 4v4.7h-4.7M20 12a8 8 0 0 1-13.7 5.6L4 15.3M4 20v-4.7h4.7",
  attach: "m20 11-8.5 8.5a5 5 0 0 1-7-7L13 4a3.4 3.4 0 0 1 4.8 4.8L9.5 17a1.7 1.7 0 0 1-2.4-2.4L15 6.8",
  branch: "M6 4v16M6 14c6 0 11-1 11-7M14 9l3-3 3 3",
  check: "m5 12.5 4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6 6 18",
  continue: "M5 12h13M13 6l6 6-6 6",
  copy: "M9 9h10v10H9zM5 15V5h10",
  delete: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  down: "M12 5v14M6 13l6 6 6-6",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  left: "M15 5l-7 7 7 7",
  right: "m9 5 7 7-7 7",
  send: "M12 20V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  thumbDown: "M7 13V4h9.5a2 2 0 0 1 2 1.6l1.3 6A2 2 0 0 1 17.8 14H14l.7 4.2A1.6 1.6 0 0 1 13.1 20L9.5 13H4V4h3",
  thumbUp: "M7 11v9h9.5a2 2 0 0 0 2-1.6l1.3-6A2 2 0 0 0 17.8 10H14l.7-4.2A1.6 1.6 0 0 0 13.1 4L9.5 11H4v9h3",
  wrap: "M4 6h16M4 12h13a3 3 0 0 1 0 6h-4M15 15l-3 3 3 3M4 18h4",
};

/** @param {{name: string}} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}

/**
 * @param {object} props
 * @param {string} props.icon
 * @param {string} props.label its accessible name, and its tool tip
 * @param {() => void} props.onClick
 * @param {boolean} [props.isPressed]
 * @param {boolean} [props.disabled]
 */
export function IconButton({ icon, label, onClick, isPressed, disabled }) {
  return html`<button
    type="button"
    class="is-plain is-icon ${isPressed ? "is-pressed" : ""}"
    title=${label}
    aria-label=${label}
    aria-pressed=${isPressed}
    disabled=${disabled}
    onClick=${onClick}
  >
    <${Icon} name=${icon} />
  </button>`;
}
