// @ts-check
/** Preact's components and hooks, by tagged templates (htm): every module takes them from here. */
export {
  Component,
  createContext,
  h,
  html,
  render,
  useCallback,
  useContext,
  useEffect,
  useErrorBoundary,
  useLayoutEffect,
  useMemo,
  useReducer,
  useRef,
  useState,
} from "../../vendor/htm/standalone.module.js";
