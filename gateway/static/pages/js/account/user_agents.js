// @ts-check
/** What a client says that it is, as people would say it. */
import { t } from "../words.js";

// The order matters: most browsers also say that they are Safari, and several that they are Chrome.
const BROWSERS = /** @type {[RegExp, string][]} */ ([
  [/\bEdg(e|A|iOS)?\//, "Edge"],
  [/\bWhale\//, "Whale"],
  [/\bSamsungBrowser\//, "Samsung Internet"],
  [/\b(OPR|Opera)\//, "Opera"],
  [/\b(Firefox|FxiOS)\//, "Firefox"],
  [/\b(Chrome|Chromium|HeadlessChrome|CriOS)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
]);
const SYSTEMS = /** @type {[RegExp, string][]} */ ([
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bAndroid\b/, "Android"],
  [/\bWindows\b/, "Windows"],
  [/\bMac OS X\b|\bMacintosh\b/, "macOS"],
  [/\bCrOS\b/, "ChromeOS"],
  [/\bLinux\b/, "Linux"],
]);

/** @param {[RegExp, string][]} names @param {string} text */
function find(names, text) {
  return names.find(([pattern]) => pattern.test(text))?.[1];
}

/** @param {string} userAgent */
export function describeClient(userAgent) {
  const browser = find(BROWSERS, userAgent);
  const system = find(SYSTEMS, userAgent);
  if (browser && system) return t("{browser} on {system}", { browser, system });
  if (browser) return browser;
  // Programs say their name first: python-httpx/0.28, curl/8.5.
  return userAgent.split(/[\s/]/)[0] || t("Unknown program");
}
