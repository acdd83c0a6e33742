// @ts-check
/** Line drawings in the text's colour; words beside them, or their button's label, say what they mean. */
import { html } from "../ui.js";

/** In a box of 24 by 24. */
const PATHS = {
  again: "M4 12a8 8 0 0 1 13.7-5.6L20 8.7M20 4v4.7h-4.7M20 12a8 8 0 0 1-13.7 5.6L4 15.3M4 20v-4.7h4.7",
  archive: "M4 5h16v4H4zM6 9v10h12V9M10 13h4",
  attach: "m20 11-8.5 8.5a5 5 0 0 1-7-7L13 4a3.4 3.4 0 0 1 4.8 4.8L9.5 17a1.7 1.7 0 0 1-2.4-2.4L15 6.8",
  check: "m5 12.5 4.5 4.5L19 7.5",
  chevron: "M7 10l5 5 5-5",
  close: "M6 6l12 12M18 6 6 18",
  copy: "M9 9h10v10H9zM5 15V5h10",
  download: "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  file: "M6 3h8l4 4v14H6zM14 3v4h4",
  folder: "M4 6h6l2 2h8v11H4z",
  help: "M9.2 9.2a2.9 2.9 0 1 1 4.1 2.7c-.8.4-1.3 1-1.3 1.9M12 17.2v.1M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  left: "M15 5l-7 7 7 7",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1",
  list: "M8 7h12M8 12h12M8 17h12M4 7h.1M4 12h.1M4 17h.1",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M6 12h.1M12 12h.1M18 12h.1",
  pin: "M9 4h6l-1 6 3 3v1.5H7V13l3-3zM12 14.5V20",
  plus: "M12 5v14M5 12h14",
  restore: "M4 12a8 8 0 1 0 2.6-5.9M4 4v4.5h4.5",
  right: "m9 5 7 7-7 7",
  search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM15.5 15.5L20 20",
  send: "M12 20V5M6 11l6-6 6 6",
  settings: "M4 7h9M19 7h1M4 17h1M11 17h9M16 4.8v4.4M8 14.8v4.4",
  sidebar: "M4 5h16v14H4zM10 5v14",
  signOut: "M10 5H5v14h5M9 12h11M16.5 8.5L20 12l-3.5 3.5",
  stop: "M7 7h10v10H7z",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M18.4 5.6l-1.1 1.1M6.7 17.3l-1.1 1.1",
  thumbDown: "M7 13V4h9.5a2 2 0 0 1 2 1.6l1.3 6A2 2 0 0 1 17.8 14H14l.7 4.2A1.6 1.6 0 0 1 13.1 20L9.5 13H4V4h3",
  thumbUp: "M7 11v9h9.5a2 2 0 0 0 2-1.6l1.3-6A2 2 0 0 0 17.8 10H14l.7-4.2A1.6 1.6 0 0 0 13.1 4L9.5 11H4v9h3",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  user: "M12 4.5a3.8 3.8 0 1 0 0 7.6 3.8 3.8 0 0 0 0-7.6zM4.8 20c.8-3.6 3.7-5.2 7.2-5.2s6.4 1.6 7.2 5.2",
  wrap: "M4 6h16M4 12h13a3 3 0 0 1 0 6h-4M15 15l-3 3 3 3M4 18h4",
  wrench: "M14.5 6.5a4 4 0 0 1 5-1.4L17 7.6l.4 2 2 .4 2.5-2.5a4 4 0 0 1-5.4 4.9L8.6 20.3a1.9 1.9 0 0 1-2.7-2.7L13.8 10a4 4 0 0 1 .7-3.5z",
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {{name: IconName}} props */
export function Icon({ name }) {
  return html`<svg class=${`icon is-${name}`} viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>`;
}

/**
 * @param {object} props
 * @param {IconName} props.icon
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
