// @ts-check
/** A button that opens a menu: arrows, Home, End, Escape and the first letters work as in any menu. */
import { html, useLayoutEffect, useRef, useState } from "../ui.js";
import { Icon } from "./icons.js";

/**
 * @typedef {object} MenuItem
 * @property {string} label
 * @property {import("./icons.js").IconName} [icon]
 * @property {() => void} [run]
 * @property {string} [href] a link in place of `run`
 * @property {boolean} [isDanger]
 * @property {boolean} [isChosen] one of several to choose from: whether it is the one
 * @property {boolean} [startsGroup]
 */

/** Between the button and the menu, and from the edges of the window, in pixels. */
const GAP_PX = 6;

/**
 * @param {object} props
 * @param {unknown} props.children of the button
 * @param {string} [props.label] its name where `children` have no words
 * @param {string} [props.className]
 * @param {number} [props.tabIndex]
 * @param {() => MenuItem[]} props.items read when it opens
 */
export function MenuButton({ children, label, className = "", tabIndex = 0, items }) {
  const [isOpen, setIsOpen] = useState(false);
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const close = (returnsFocus = true) => {
    setIsOpen(false);
    if (returnsFocus) button.current?.focus();
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "ArrowDown" || isOpen) return;
    event.preventDefault();
    event.stopPropagation();
    setIsOpen(true);
  };
  return html`<button
      type="button" ref=${button} class=${className} aria-label=${label} title=${label} aria-haspopup="menu"
      aria-expanded=${isOpen} tabIndex=${tabIndex} onKeyDown=${onKeyDown} onClick=${() => setIsOpen(!isOpen)}
    >${children}</button>
    ${isOpen && html`<${Menu} items=${items()} anchor=${button} label=${label} onClose=${close} />`}`;
}

/**
 * @param {object} props
 * @param {MenuItem[]} props.items
 * @param {{current: HTMLElement | null}} props.anchor
 * @param {string} [props.label]
 * @param {(returnsFocus?: boolean) => void} props.onClose
 */
function Menu({ items, anchor, label, onClose }) {
  const menu = useRef(/** @type {HTMLElement | null} */ (null));
  useLayoutEffect(() => {
    const element = /** @type {HTMLElement} */ (menu.current);
    element.showPopover();
    place(element, /** @type {HTMLElement} */ (anchor.current));
    const first = items[0]?.isChosen === undefined ? null : element.querySelector('[aria-checked="true"]');
    /** @type {HTMLElement | null} */ (first ?? element.querySelector("[role^=menuitem]"))?.focus();
    const leave = (/** @type {PointerEvent} */ event) => {
      const target = /** @type {Node} */ (event.target);
      if (!element.contains(target) && !anchor.current?.contains(target)) onClose(false);
    };
    const scrolled = (/** @type {Event} */ event) => !element.contains(/** @type {Node} */ (event.target)) && onClose(false);
    addEventListener("pointerdown", leave, true);
    addEventListener("scroll", scrolled, true);
    addEventListener("resize", scrolled);
    return () => {
      removeEventListener("pointerdown", leave, true);
      removeEventListener("scroll", scrolled, true);
      removeEventListener("resize", scrolled);
    };
  }, []);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    event.stopPropagation();
    if (event.key === "Escape" || event.key === "Tab") {
      if (event.key === "Escape") event.preventDefault();
      onClose();
    } else moveFocus(/** @type {HTMLElement} */ (menu.current), event);
  };
  return html`<div class="menu" role="menu" popover="manual" ref=${menu} aria-label=${label} onKeyDown=${onKeyDown}>
    ${items.map((item) => html`<${Item} item=${item} onClose=${onClose} />`)}
  </div>`;
}

/** @param {{item: MenuItem, onClose: (returnsFocus?: boolean) => void}} props */
function Item({ item, onClose }) {
  const isChoice = item.isChosen !== undefined;
  const run = () => {
    onClose();
    item.run?.();
  };
  const about = {
    role: isChoice ? "menuitemradio" : "menuitem",
    "aria-checked": isChoice ? String(item.isChosen) : undefined,
    tabIndex: -1,
    class: ["menu-item", item.isDanger && "is-danger", item.startsGroup && "starts-group"].filter(Boolean).join(" "),
  };
  const content = html`${item.icon ? html`<${Icon} name=${item.icon} />` : html`<span class="icon"></span>`}
    <span class="menu-label">${item.label}</span>${item.isChosen && html`<${Icon} name="check" />`}`;
  return item.href
    ? html`<a href=${item.href} ...${about}>${content}</a>`
    : html`<button type="button" onClick=${run} ...${about}>${content}</button>`;
}

/** @param {HTMLElement} menu @param {HTMLElement} anchor */
function place(menu, anchor) {
  const box = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const startsLeft = box.left + width + GAP_PX <= innerWidth;
  const left = startsLeft ? box.left : box.right - width;
  const fitsBelow = box.bottom + GAP_PX + height + GAP_PX <= innerHeight;
  const top = fitsBelow ? box.bottom + GAP_PX : Math.max(GAP_PX, box.top - GAP_PX - height);
  menu.style.setProperty("--menu-left", `${Math.max(GAP_PX, Math.min(left, innerWidth - width - GAP_PX))}px`);
  menu.style.setProperty("--menu-top", `${Math.max(GAP_PX, Math.min(top, innerHeight - height - GAP_PX))}px`);
}

/** @param {HTMLElement} menu @param {KeyboardEvent} event */
function moveFocus(menu, event) {
  const items = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll("[role^=menuitem]")]);
  const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  const to = nextIndex(items, at, event.key);
  if (to === null) return;
  event.preventDefault();
  items[to]?.focus();
}

/** @param {HTMLElement[]} items @param {number} at @param {string} key @returns {number | null} */
function nextIndex(items, at, key) {
  if (key === "ArrowDown") return (at + 1) % items.length;
  if (key === "ArrowUp") return (at - 1 + items.length) % items.length;
  if (key === "Home") return 0;
  if (key === "End") return items.length - 1;
  if (key.length !== 1 || key === " ") return null;
  const order = items.map((_, index) => (at + 1 + index) % items.length);
  const begins = (/** @type {number} */ index) => items[index]?.textContent?.trim().toLowerCase().startsWith(key.toLowerCase());
  return order.find(begins) ?? null;
}
