// @ts-check
/** On a narrow screen the sidebar is a drawer over the thread. */
import { Store } from "../store.js";

/** Whether it is open. On a wide screen the sidebar is always there. */
export const drawer = new Store(false);
