// @ts-check
/** For libraries that ask Node's `process` whether they are in production. To be imported before them. */
const page = /** @type {any} */ (globalThis);
page.process ??= { env: { NODE_ENV: "production" } };
