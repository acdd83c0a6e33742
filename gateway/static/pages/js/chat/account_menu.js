// @ts-check
/** Who is signed in, and what is about them rather than about a conversation. */
import { addressOf } from "../address.js";
import { useStore } from "../store.js";
import { html } from "../ui.js";
import { language, t } from "../words.js";
import { Icon } from "./icons.js";
import { openKeyboardHelp } from "./keyboard_help.js";
import { MenuButton } from "./menu.js";
import { stopWatchingModels } from "./model_status.js";
import { account, isAdmin } from "./page.js";
import { chooseTheme, theme } from "../theme_choice.js";

export function AccountMenu() {
  const known = useStore(account);
  const chosen = useStore(theme);
  const name = known?.username ?? t("Account");
  return html`<div class="sidebar-foot">
    <${MenuButton} className="is-plain account-button" items=${() => accountMenu(known, chosen)}>
      <span class="avatar" aria-hidden="true">${[...name][0]?.toUpperCase()}</span>
      <span class="account-name">${name}</span>
      <span class="visually-hidden">${t("Account menu")}</span>
      <${Icon} name="more" />
    <//>
  </div>`;
}

/**
 * @param {import("./page.js").Account | null} known
 * @param {import("../theme_choice.js").Theme} chosen
 * @returns {import("./menu.js").MenuItem[]}
 */
function accountMenu(known, chosen) {
  const themes = /** @type {const} */ ([
    ["system", t("System theme")],
    ["light", t("Light theme")],
    ["dark", t("Dark theme")],
  ]);
  const languageName = new Intl.DisplayNames(language, { type: "language" }).of(language) ?? language;
  return [
    { label: t("Account"), icon: "user", href: addressOf("/account/") },
    { label: t("Language: {name}", { name: languageName }), href: addressOf("/account/") },
    ...(isAdmin(known) ? [{ label: t("Admin"), icon: /** @type {const} */ ("wrench"), href: addressOf("/admin/") }] : []),
    ...themes.map(([value, label], index) => ({
      label, startsGroup: index === 0, isChosen: value === chosen, run: () => chooseTheme(value),
      icon: index === 0 ? /** @type {const} */ ("sun") : undefined,
    })),
    { label: t("Keyboard shortcuts"), icon: "help", startsGroup: true, run: openKeyboardHelp },
    { label: t("Sign out"), icon: "signOut", run: signOut },
  ];
}

/** As a form, so that the cookie ends with the answer and the browser goes where it leads. */
function signOut() {
  stopWatchingModels();
  const form = document.createElement("form");
  form.method = "post";
  form.action = addressOf("/sign-out/");
  const field = document.createElement("input");
  field.type = "hidden";
  field.name = "csrfmiddlewaretoken";
  field.value = document.querySelector('meta[name="csrf-token"]')?.getAttribute("content") ?? "";
  form.append(field);
  document.body.append(form);
  form.submit();
}
