// @ts-check
/** Icons, drawn by lines of the text's colour; words beside them or their button's label say what they mean. */
import { html } from "../ui.js";

const PATHS = {
  archive: "M4 5h16v4H4zM6 9v10h12V9M10 13h4",
  check: "M5 12.5l4.5 4.5L19 7.5",
  chevron: "M7 10l5 5 5-5",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v10H9zM5 15V5h10",
  download: "M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14",
  edit: "M4 20h4L19 9l-4-4L4 16z",
  folder: "M4 6h6l2 2h8v11H4z",
  help: "M9.2 9.2a2.9 2.9 0 1 1 4.1 2.7c-.8.4-1.3 1-1.3 1.9M12 17.2v.1M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1",
  list: "M8 7h12M8 12h12M8 17h12M4 7h.1M4 12h.1M4 17h.1",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M6 12h.1M12 12h.1M18 12h.1",
  pin: "M9 4h6l-1 6 3 3v1.5H7V13l3-3zM12 14.5V20",
  plus: "M12 5v14M5 12h14",
  restore: "M4 12a8 8 0 1 0 2.6-5.9M4 4v4.5h4.5",
  search: "M11 5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM15.5 15.5L20 20",
  sidebar: "M4 5h16v14H4zM10 5v14",
  settings: "M4 7h9M19 7h1M4 17h1M11 17h9M16 4.8v4.4M8 14.8v4.4",
  signOut: "M10 5H5v14h5M9 12h11M16.5 8.5L20 12l-3.5 3.5",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1.1 1.1M17.3 17.3l1.1 1.1M18.4 5.6l-1.1 1.1M6.7 17.3l-1.1 1.1",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 11v5M13.5 11v5",
  user: "M12 4.5a3.8 3.8 0 1 0 0 7.6 3.8 3.8 0 0 0 0-7.6zM4.8 20c.8-3.6 3.7-5.2 7.2-5.2s6.4 1.6 7.2 5.2",
  wrench: "M14.5 6.5a4 4 0 0 1 5-1.4L17 7.6l.4 2 2 .4 2.5-2.5a4 4 0 0 1-5.4 4.9L8.6 20.3a1.9 1.9 0 0 1-2.7-2.7L13.8 10a4 4 0 0 1 .7-3.5z",
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {{name: IconName}} props */
export function Icon({ name }) {
  return html`<svg class=${`icon is-${name}`} viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;
}
