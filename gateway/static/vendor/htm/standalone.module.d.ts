// Types for the copied file: it is Preact, its hooks and htm in one.
import { h } from "preact";
export { Component, createContext, h, render } from "preact";
export {
  useCallback, useContext, useDebugValue, useEffect, useErrorBoundary, useImperativeHandle, useLayoutEffect, useMemo,
  useReducer, useRef, useState,
} from "preact/hooks";
export function html(strings: TemplateStringsArray, ...values: unknown[]): ReturnType<typeof h>;
