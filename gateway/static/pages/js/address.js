// @ts-check
/** Where the gateway's own paths begin. */

const [, found = ""] = /^(.*?)\/static\/(?:~\w+\/)?pages\/js\/address\.js$/.exec(new URL(import.meta.url).pathname) ?? [];

/** Empty where the host is the gateway's own, `/gateway` and the like below BASE_PATH. */
export const basePath = found;

/**
 * The address of a path of the gateway, for the browser. What the server says is one already.
 * @param {string} path
 */
export const addressOf = (path) => basePath + path;
