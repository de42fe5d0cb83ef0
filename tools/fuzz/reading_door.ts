import { isObject, type Json, type JsonObject } from "../../lib/base/json.ts";
import { messageOf } from "../../lib/base/errors.ts";
import { clip } from "../../lib/base/text.ts";
import { scanJson, UNLIMITED } from "../../lib/wire/json_scan.ts";
import { objectText } from "../../lib/wire/raw_object.ts";
import { readClientText, readServerText } from "../../lib/wire/raw_reader.ts";
import { checkEnvelope } from "../../lib/wire/rpc.ts";
import { readServerMessage } from "../../lib/wire/server_message.ts";
import { type Door, type OpenDoor, parse, Violation } from "./door.ts";
import type { Random } from "./frames.ts";
import { JsonTextMaker } from "./json_texts.ts";

const MAX_SHOWN_CHARS = 500;
const OPTIONAL = ["cursor", "arguments", "_meta"];

/** The reader of messages, which must read each text just as `JSON.parse` does. */
export const READING_DOOR: Door = {
  name: "reading",
  share: 0.3,
  open: () => Promise.resolve(new ReadingDoor()),
};

/** Checks two texts for each frame: the frame, and one of its own. */
class ReadingDoor implements OpenDoor {
  batch(frames: readonly string[], random: Random): Promise<void> {
    const maker = new JsonTextMaker(random);
    for (const frame of frames) {
      for (const text of [frame, maker.next()]) {
        try {
          checkText(text);
        } catch (thrown) {
          return Promise.reject(
            new Violation(`${clip(JSON.stringify(text), MAX_SHOWN_CHARS)}: ${messageOf(thrown)}`),
          );
        }
      }
    }
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** @throws {Violation} */
function checkText(text: string): void {
  const value = parse(text);
  const scanned = scanJson(text, UNLIMITED, (name) => name === "params" || name === "result");
  if (typeof scanned === "string") return checkNoJson(text, value);
  if (scanned.kind === "list") {
    return same("its elements", scanned.elements.map(({ from, to }) => parse(text.slice(from, to))), value);
  }
  if (scanned.kind === "scalar") {
    return same("whether it is a scalar", false, isObject(value) || Array.isArray(value));
  }
  if (!isObject(value)) throw new Violation("it is an object to the scanner only");
  same("its members", parse(objectText(text, scanned.members)), value);
  for (const { name, members, from, to } of scanned.members) {
    const inner = parse(text.slice(from, to));
    if (members) same(`the members of ${name}`, parse(objectText(text, members)), inner);
    else if (name === "params" || name === "result") {
      same(`whether ${name} is an object`, isObject(inner), false);
    }
  }
  // The values that are compared with have lost the digits of such an id.
  if (typeof value.id === "number" && !Number.isSafeInteger(value.id)) return;
  checkClientMessage(text, value);
  checkServerMessage(text, value);
}

function checkNoJson(text: string, value: Json | undefined): void {
  same("a text that cannot be read", value, undefined);
  const isRead = readServerText(text, { server: "fuzz" }).kind !== "unreadable";
  if (isRead && !/NaN|Infinity/.test(text)) throw new Violation("a text that is no JSON was read");
}

function checkClientMessage(text: string, value: JsonObject): void {
  const expected = withoutNulls(value);
  const reading = readClientText(text, UNLIMITED);
  const isMessage = typeof checkEnvelope(expected) !== "string";
  same("whether a client's message is one", reading.kind, isMessage ? "message" : "invalid");
  if (reading.kind !== "message") return;
  const { message } = reading;
  const read = parse(message.text) as JsonObject;
  same("a client's message", meant(read), meant(withMessage(expected)));
  const name = Object.keys(message.body?.value ?? {})[0];
  const body = name === undefined ? undefined : message.body!.with(name, "other");
  const spliced = parse(message.toText({ idText: '"other"', body })) as JsonObject;
  if ("id" in read) same("a spliced id", spliced.id, "other");
  if (body) {
    const given = spliced[message.kind === "response" ? "result" : "params"];
    same("a spliced body", given, { ...message.body!.value, [name!]: "other" });
  }
}

function checkServerMessage(text: string, value: JsonObject): void {
  const expected = readServerMessage(value, "fuzz");
  const reading = readServerText(text, { server: "fuzz" });
  if (reading.kind === "unreadable" && reading.fault === "depth") return;
  same(
    "whether a server's message is one",
    reading.kind,
    typeof expected === "string" ? "invalid" : "message",
  );
  if (reading.kind !== "message") return;
  same(
    "a server's message",
    meant(parse(reading.message.text) as JsonObject),
    meant(expected as unknown as JsonObject),
  );
}

/** Without the optional params that are null, which count as absent. */
function withoutNulls(message: JsonObject): JsonObject {
  const { params } = message;
  if (message.method === undefined) return message;
  const kept = isObject(params)
    ? Object.entries(params).filter(([name, value]) => value !== null || !OPTIONAL.includes(name))
    : [];
  const entries = Object.entries(message).filter(([name, value]) => name !== "params" || value !== null);
  return Object.fromEntries(
    entries.map((
      [name, value],
    ) => [name, name === "params" && isObject(value) ? Object.fromEntries(kept) : value]),
  );
}

/** With a text as the message of its error, which some leave out. */
function withMessage(message: JsonObject): JsonObject {
  const { error } = message;
  if (message.method !== undefined || !isObject(error) || typeof error.message === "string") return message;
  return { ...message, error: { ...error, message: JSON.stringify(error.message) ?? "" } };
}

/** What is meant by a message: of a response, no members that MCP does not have. */
function meant(message: JsonObject): Json {
  const { id, method, params, result, error } = message;
  const isResponse = method === undefined;
  const { code, message: text, data } = isObject(error) ? error : {};
  return isResponse ? { id, result, code, text, data } : { id, method, params };
}

function same(what: string, actual: unknown, expected: unknown): void {
  const [got = "undefined", wanted = "undefined"] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (got === wanted) return;
  throw new Violation(
    `${what} is ${clip(got, MAX_SHOWN_CHARS)} and must be ${clip(wanted, MAX_SHOWN_CHARS)}`,
  );
}
