import { isAbsolute } from "@std/path/is-absolute";
import { HOUR_MS, SECOND_MS } from "../base/units.ts";

/** One of the two programs, as a reader of a setting. */
export type Program = "daemon" | "shim";

/** A type of JSON a value may have in `exai.json`; an array is one of texts. */
export type JsonType = "string" | "number" | "integer" | "boolean" | "array" | "object";

/** One setting: where it is read from, which values it takes, and its line in `--help` and docs/settings.md. */
export interface Setting<T = unknown> {
  /** Environment variable. */
  env: string;
  /** Command-line flag without its dashes. */
  flag: string;
  /** The value of a setting that is not set, as text. */
  fallback: string;
  /** Unit of the text value, if it has one. */
  unit?: string;
  help: string;
  /** What a good value looks like; part of the message about a bad one. */
  allowed: string;
  /** All values, where they are few; shells complete them. */
  values?: readonly string[];
  /** Types of its value in `exai.json`. Default: a text. */
  types?: readonly JsonType[];
  /** Smallest and largest number, in its unit. */
  range?: readonly [min: number, max: number];
  /** Text to value; undefined for what is not allowed. */
  read(text: string): T | undefined;
  /** The programs that read it. */
  programs: readonly Program[];
  /** A secret never appears in help, logs or messages. */
  secret?: boolean;
  /** Whether other programs have the variable too: a window that has it need not mean EXAI. */
  isShared?: boolean;
}

/** What all kinds of settings have in common. */
type Spec = {
  env: string;
  help: string;
  fallback?: string | number | boolean;
  flag?: string;
  programs?: readonly Program[];
  isShared?: boolean;
};

export const BOTH: readonly Program[] = ["daemon", "shim"];
export const SHIM: readonly Program[] = ["shim"];

export function setting<T>(
  spec: Spec,
  kind: Pick<Setting<T>, "allowed" | "values" | "read" | "unit" | "types" | "range">,
): Setting<T> {
  const flag = spec.flag ?? spec.env.replace(/^EXAI_(WS_)?/, "").toLowerCase().replaceAll("_", "-");
  const { env, help, programs = ["daemon"], isShared } = spec;
  return { env, help, flag, programs, fallback: String(spec.fallback ?? ""), isShared, ...kind };
}

function numberIn(min: number, max: number, { scale = 1, form = /^\d+(\.\d+)?$/ } = {}) {
  return (text: string) => {
    const value = form.test(text.trim()) ? Number(text) : NaN;
    return value >= min && value <= max ? value * scale : undefined;
  };
}

function number(min: number, max: number): Pick<Setting, "types" | "range"> {
  return { types: ["number"], range: [min, max] };
}

export function seconds(spec: Spec, min: number, max: number) {
  const allowed = `a number of seconds from ${min} to ${max}`;
  const read = numberIn(min, max, { scale: SECOND_MS });
  return setting(spec, { allowed, unit: "s", ...number(min, max), read });
}

/** A number of seconds, or `auto`: decided by the program. */
export function secondsOrAuto(spec: Spec, min: number, max: number) {
  const readNumber = numberIn(min, max, { scale: SECOND_MS });
  const read = (text: string) => /^\s*auto\s*$/i.test(text) ? "auto" : readNumber(text);
  const types: readonly JsonType[] = ["number", "string"];
  const allowed = `auto, or a number of seconds from ${min} to ${max}`;
  return setting<"auto" | number>(spec, { allowed, unit: "s", types, range: [min, max], read });
}

export function hours(spec: Spec, min: number, max: number) {
  const allowed = `a number of hours from ${min} to ${max}`;
  const read = numberIn(min, max, { scale: HOUR_MS });
  return setting(spec, { allowed, unit: "h", ...number(min, max), read });
}

export function integer(spec: Spec & { unit?: string }, min: number, max: number) {
  return setting(spec, {
    allowed: `a whole number from ${min} to ${max}`,
    unit: spec.unit,
    types: ["integer"],
    range: [min, max],
    read: numberIn(min, max, { form: /^\d+$/ }),
  });
}

/** A whole number of bytes. */
export function bytes(spec: Spec, min: number, max: number) {
  return integer({ ...spec, unit: "bytes" }, min, max);
}

const TRUE = ["true", "1", "yes", "on"];
const FALSE = ["false", "0", "no", "off"];

export function flag(spec: Spec) {
  const read = (text: string) => {
    const word = text.trim().toLowerCase();
    return TRUE.includes(word) ? true : FALSE.includes(word) ? false : undefined;
  };
  return setting(spec, { allowed: "true or false", values: ["true", "false"], types: ["boolean"], read });
}

export function text(spec: Spec) {
  return setting<string>(spec, { allowed: "any text", read: (text) => text });
}

export function address(spec: Spec) {
  // An IPv6 address is written in brackets in a URL, and nowhere else.
  const read = (text: string) => /^[^\s/]+$/.test(text) ? text.replace(/^\[(.*)\]$/, "$1") : undefined;
  return setting<string>(spec, { allowed: "a host name or an IP address", read });
}

export function list(spec: Spec) {
  return setting(spec, { allowed: "names separated by commas", types: ["array"], read: partsOf });
}

function partsOf(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

export function directories(spec: Spec) {
  const read = (text: string) => {
    const paths = partsOf(text);
    return paths.every((path) => isAbsolute(path)) ? paths : undefined;
  };
  return setting(spec, { allowed: "absolute paths separated by commas", types: ["array"], read });
}

export function oneOf<const T extends string>(spec: Spec, values: readonly T[]) {
  const read = (text: string) => values.find((value) => value === text.trim().toLowerCase());
  return setting<T>(spec, { allowed: values.join(", "), values, read });
}

/** Reads a text as it is where `isAllowed`. */
export function textIf(isAllowed: (text: string) => boolean) {
  return (text: string): string | undefined => isAllowed(text) ? text : undefined;
}

/** A secret: it never appears in help, logs or messages. */
export function secret(spec: Spec) {
  return { ...text(spec), secret: true };
}

export function url(spec: Spec) {
  const isHttp = (text: string) => text === "" || /^https?:$/.test(URL.parse(text)?.protocol ?? "");
  return setting(spec, { allowed: "empty, or a URL with http or https", read: textIf(isHttp) });
}
