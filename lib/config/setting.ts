import { isAbsolute } from "@std/path/is-absolute";
import * as z from "zod/mini";
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
  /** Text to value; fails on what is not allowed. */
  schema: z.ZodMiniType<T, string>;
  /** The programs that read it. */
  programs: readonly Program[];
  /** A secret never appears in help, logs or messages. */
  secret?: boolean;
}

/** What all kinds of settings have in common. */
type Spec = {
  env: string;
  help: string;
  fallback?: string | number | boolean;
  flag?: string;
  programs?: readonly Program[];
};

export const BOTH: readonly Program[] = ["daemon", "shim"];
export const SHIM: readonly Program[] = ["shim"];

export function setting<T>(
  spec: Spec,
  kind: Pick<Setting<T>, "allowed" | "values" | "schema" | "unit" | "types" | "range">,
): Setting<T> {
  const flag = spec.flag ?? spec.env.replace(/^EXAI_(WS_)?/, "").toLowerCase().replaceAll("_", "-");
  const { env, help, programs = ["daemon"] } = spec;
  return { env, help, flag, programs, fallback: String(spec.fallback ?? ""), ...kind };
}

function numberIn(min: number, max: number, scale = 1) {
  const inRange = (text: string) =>
    /^\d+(\.\d+)?$/.test(text.trim()) && Number(text) >= min && Number(text) <= max;
  return z.pipe(z.string().check(z.refine(inRange)), z.transform((text: string) => Number(text) * scale));
}

function number(min: number, max: number): Pick<Setting, "types" | "range"> {
  return { types: ["number"], range: [min, max] };
}

export function seconds(spec: Spec, min: number, max: number) {
  const allowed = `a number of seconds from ${min} to ${max}`;
  return setting(spec, { allowed, unit: "s", ...number(min, max), schema: numberIn(min, max, SECOND_MS) });
}

/** A number of seconds, or `auto`: decided by the program. */
export function secondsOrAuto(spec: Spec, min: number, max: number) {
  const schema = z.union([
    z.pipe(z.string().check(z.regex(/^\s*auto\s*$/i)), z.transform(() => "auto" as const)),
    numberIn(min, max, SECOND_MS),
  ]);
  const types: readonly JsonType[] = ["number", "string"];
  const allowed = `auto, or a number of seconds from ${min} to ${max}`;
  return setting<"auto" | number>(spec, { allowed, unit: "s", types, range: [min, max], schema });
}

export function hours(spec: Spec, min: number, max: number) {
  const allowed = `a number of hours from ${min} to ${max}`;
  return setting(spec, { allowed, unit: "h", ...number(min, max), schema: numberIn(min, max, HOUR_MS) });
}

export function integer(spec: Spec & { unit?: string }, min: number, max: number) {
  const inRange = (text: string) => /^\d+$/.test(text.trim()) && Number(text) >= min && Number(text) <= max;
  const schema = z.pipe(z.string().check(z.refine(inRange)), z.transform(Number));
  return setting(spec, {
    allowed: `a whole number from ${min} to ${max}`,
    unit: spec.unit,
    types: ["integer"],
    range: [min, max],
    schema,
  });
}

/** A whole number of bytes. */
export function bytes(spec: Spec, min: number, max: number) {
  return integer({ ...spec, unit: "bytes" }, min, max);
}

const TRUE = ["true", "1", "yes", "on"];
const FALSE = ["false", "0", "no", "off"];

export function flag(spec: Spec) {
  const known = (text: string) => [...TRUE, ...FALSE].includes(text.trim().toLowerCase());
  const schema = z.pipe(
    z.string().check(z.refine(known)),
    z.transform((text: string) => TRUE.includes(text.trim().toLowerCase())),
  );
  return setting(spec, { allowed: "true or false", values: ["true", "false"], types: ["boolean"], schema });
}

export function text(spec: Spec) {
  return setting<string>(spec, { allowed: "any text", schema: z.string() });
}

export function address(spec: Spec) {
  // An IPv6 address is written in brackets in a URL, and nowhere else.
  const schema = z.pipe(
    z.string().check(z.regex(/^[^\s/]+$/)),
    z.transform((value: string) => value.replace(/^\[(.*)\]$/, "$1")),
  );
  return setting<string>(spec, { allowed: "a host name or an IP address", schema });
}

export function list(spec: Spec) {
  const schema = z.pipe(
    z.string(),
    z.transform((value: string) => value.split(",").map((part) => part.trim()).filter((part) => part !== "")),
  );
  return setting(spec, { allowed: "names separated by commas", types: ["array"], schema });
}

export function directories(spec: Spec) {
  const split = (value: string) => value.split(",").map((part) => part.trim()).filter((part) => part !== "");
  const schema = z.pipe(
    z.string().check(z.refine((value) => split(value).every((path) => isAbsolute(path)))),
    z.transform(split),
  );
  return setting(spec, { allowed: "absolute paths separated by commas", types: ["array"], schema });
}

export function oneOf<const T extends string>(spec: Spec, values: readonly T[]) {
  const schema = z.pipe(
    z.string().check(z.refine((value) => (values as readonly string[]).includes(value.trim().toLowerCase()))),
    z.transform((value: string) => value.trim().toLowerCase() as T),
  );
  return setting<T>(spec, { allowed: values.join(", "), values, schema });
}

/** A secret: it never appears in help, logs or messages. */
export function secret(spec: Spec) {
  return { ...text(spec), secret: true };
}

export function url(spec: Spec) {
  const isHttp = (value: string) => value === "" || /^https?:$/.test(URL.parse(value)?.protocol ?? "");
  const schema = z.string().check(z.refine(isHttp));
  return setting<string>(spec, { allowed: "empty, or a URL with http or https", schema });
}
