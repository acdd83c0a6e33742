// @ts-check
/**
 * Words in the reader's language. The catalogue comes from /words/LANGUAGE.js, made by gettext from
 * locale/LANGUAGE/LC_MESSAGES/djangojs.po. Texts stand in calls of `t` and `tn` as plain literals:
 * a test compares these with the catalogues.
 */

/** @typedef {{gettext: (text: string) => string, ngettext: (one: string, many: string, count: number) => string}} Catalogue */

const catalogue = /** @type {Catalogue} */ (/** @type {any} */ (globalThis).django);

/** The language of this page: "en" or "ko". */
export const language = document.documentElement.lang || "en";

/**
 * The text in the reader's language, with `{name}` replaced by the value of that name.
 * @param {string} text
 * @param {Record<string, string | number>} [values]
 */
export function t(text, values) {
  return fill(catalogue.gettext(text), values);
}

/**
 * As `t`, for a text that depends on a number; `{count}` is the number, as it is written.
 * @param {string} one
 * @param {string} many
 * @param {number} count
 * @param {Record<string, string | number>} [values]
 */
export function tn(one, many, count, values) {
  return fill(catalogue.ngettext(one, many, count), { count: formatNumber(count), ...values });
}

/**
 * @param {string} text
 * @param {Record<string, string | number>} [values]
 */
function fill(text, values) {
  return values ? text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole)) : text;
}

/** @param {number} value @param {Intl.NumberFormatOptions} [options] */
export function formatNumber(value, options = {}) {
  return keep(numberFormats, options, () => new Intl.NumberFormat(language, options)).format(value);
}

/** @param {string} moment RFC 3339 @param {Intl.DateTimeFormatOptions} [options] */
export function formatDate(moment, options = { dateStyle: "medium", timeStyle: "short" }) {
  return keep(dateFormats, options, () => new Intl.DateTimeFormat(language, options)).format(new Date(moment));
}

/** @type {Map<string, Intl.NumberFormat>} */
const numberFormats = new Map();
/** @type {Map<string, Intl.DateTimeFormat>} */
const dateFormats = new Map();

/**
 * Making a format takes a millisecond, and a page has hundreds of dates.
 * @template F
 * @param {Map<string, F>} formats
 * @param {object} options
 * @param {() => F} make
 */
function keep(formats, options, make) {
  const key = JSON.stringify(options);
  const format = formats.get(key) ?? make();
  formats.set(key, format);
  return format;
}
