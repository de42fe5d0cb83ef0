import { brotliCompressSync, constants, deflateSync, gzipSync } from "node:zlib";
import { pick, type Random } from "./frames.ts";

/** An HTTP response as it goes over the wire, and whether a client can make anything of it. */
export interface BrokenResponse {
  bytes: Uint8Array[];
  /** What becomes of the connection after it. */
  then: "keep" | "close" | "half-close";
  /** How it is sent, for a message. */
  how: string;
  /** Whether nothing about it is broken or lies. */
  intact: boolean;
}

const encoder = new TextEncoder();
const LINE_ENDS = ["\n", "\r\n", "\r"];
const WRONG_TYPES = [
  "text/html",
  "application/octet-stream",
  "text/event-stream;charset=utf-16",
  "",
  "a\tb",
  "*/*",
];
const STRAY_LINES = [
  ": a comment",
  ":",
  "event: message",
  "id: 1",
  "id: \u0000",
  "id: __proto__",
  "retry: 1e999",
  "retry: -1",
  "retry: soon",
  "data",
  "unknown: x",
  "no colon at all",
];
const HUGE_CHARS = 300_000;
const HUGE = 0.002;
const OTHER_EVENT = 0.02;
const WRONG = 0.06;
const BROKEN_FRAMING = 0.1;

/** `messages` as a stream of events, in any way the grammar allows; sometimes as other events, or the last cut off. */
export function eventStream(messages: readonly string[], random: Random): { text: string; intact: boolean } {
  const mixed = random() < 0.2;
  const one = pick(LINE_ENDS, random);
  const end = () => mixed ? pick(LINE_ENDS, random) : one;
  let text = random() < 0.1 ? "\ufeff" : "";
  let intact = true;
  for (const message of messages) {
    while (random() < 0.2) text += pick(STRAY_LINES, random) + end();
    if (random() < HUGE) text += `: ${"z".repeat(HUGE_CHARS)}${end()}`;
    if (random() < OTHER_EVENT) {
      text += pick(["event: \u001b[2J", "event: endpoint2", "event:__proto__"], random) + end();
      intact = false;
    } else if (random() < 0.2) text += `event: message${end()}`;
    for (const line of message.split(/\r\n|\n|\r/)) {
      text += `data:${random() < 0.8 ? " " : ""}${line}${end()}`;
    }
    // A CR and an LF of two different ends would be one.
    text += mixed ? "\n\n" : end();
  }
  if (random() > 0.03) return { text, intact };
  return { text: text.trimEnd(), intact: false };
}

/** `body` as the answer to a request, sometimes with a wrong type, a garbled compression or a broken framing. */
export function respond(body: string, type: string, random: Random): BrokenResponse {
  const isTyped = random() >= WRONG;
  const { bytes, encoding, intact: isWhole } = compress(encoder.encode(body.toWellFormed()), random);
  const lines = ["HTTP/1.1 200 OK", `content-type: ${isTyped ? type : pick(WRONG_TYPES, random)}`];
  if (encoding !== undefined) lines.push(`content-encoding: ${encoding}`);
  const framed = random() < BROKEN_FRAMING ? breakFraming(bytes, random) : frame(bytes, random);
  const head = encoder.encode([...lines, framed.header, "", ""].join("\r\n"));
  const how = `${encoding ?? "plain"}, ${framed.header}`;
  return {
    bytes: [head, ...framed.bytes],
    how,
    then: framed.then,
    intact: framed.intact && isTyped && isWhole,
  };
}

function compress(plain: Uint8Array<ArrayBuffer>, random: Random) {
  const kind = pick([undefined, undefined, undefined, "gzip", "deflate", "br"] as const, random);
  if (kind === undefined) {
    const lie = random() < 0.02 ? pick(["gzip", "br", "deflate", "zstd", "x"], random) : undefined;
    return { bytes: plain, encoding: lie, intact: lie === undefined };
  }
  const whole = squeeze(kind, plain);
  if (random() > 0.2) return { bytes: whole, encoding: kind, intact: true };
  const bytes = whole.slice();
  if (random() < 0.5) {
    return { bytes: bytes.subarray(0, random() * bytes.length), encoding: kind, intact: false };
  }
  for (let n = 0; n < 4; n++) bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
  return { bytes, encoding: kind, intact: false };
}

function squeeze(kind: "gzip" | "deflate" | "br", plain: Uint8Array): Uint8Array {
  if (kind === "gzip") return gzipSync(plain, { level: 1 });
  if (kind === "deflate") return deflateSync(plain, { level: 1 });
  return brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });
}

interface Framed {
  header: string;
  bytes: Uint8Array[];
  then: BrokenResponse["then"];
  intact: boolean;
}

function frame(bytes: Uint8Array, random: Random): Framed {
  if (random() < 0.4) {
    return { header: `content-length: ${bytes.length}`, bytes: [bytes], then: "keep", intact: true };
  }
  return { header: "transfer-encoding: chunked", bytes: chunksOf(bytes, random), then: "keep", intact: true };
}

function breakFraming(bytes: Uint8Array, random: Random): Framed {
  const broken = (header: string, parts: Uint8Array[], then: BrokenResponse["then"]): Framed => ({
    header,
    bytes: parts,
    then,
    intact: false,
  });
  const chunks = chunksOf(bytes, random);
  switch (Math.floor(random() * 6)) {
    case 0:
      return broken(`content-length: ${bytes.length + 1 + Math.floor(random() * 100)}`, [bytes], "close");
    case 1:
      return broken("content-length: -1", [bytes], "close");
    case 2:
      return broken("transfer-encoding: chunked", chunks.slice(0, -1), "close");
    case 3:
      return broken(
        "transfer-encoding: chunked",
        [...chunks.slice(0, 1), encoder.encode("xyz\r\nno\r\n")],
        "close",
      );
    case 4:
      return broken("transfer-encoding: chunked", [encoder.encode("ffffffffffffffffff\r\n"), bytes], "close");
    default:
      return broken("transfer-encoding: chunked", chunks.slice(0, -1), "half-close");
  }
}

/** `bytes` as chunks cut anywhere, the closing one included. */
export function chunksOf(bytes: Uint8Array, random: Random): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const size = 1 + Math.floor(random() ** 3 * 4000);
    const part = bytes.subarray(at, at + size);
    parts.push(chunk(part));
    at += size;
  }
  return [...parts, encoder.encode("0\r\n\r\n")];
}

/** One chunk. */
export function chunk(part: Uint8Array): Uint8Array {
  const head = encoder.encode(`${part.length.toString(16)}\r\n`);
  const whole = new Uint8Array(head.length + part.length + 2);
  whole.set(head);
  whole.set(part, head.length);
  whole.set([13, 10], head.length + part.length);
  return whole;
}
