import { concat } from "@std/bytes/concat";
import { createHash } from "node:crypto";

const HEADER_BYTES = 12;
const ENTRY_BYTES = 12;

/**
 * A multi-pack-index (gitformat-pack, "multi-pack-index (MIDX) files") whose pack names have `prefix` before them, with
 * its checksum put right.
 */
export function withPackPrefix(midx: Uint8Array, prefix: string): Uint8Array {
  const view = new DataView(midx.buffer, midx.byteOffset, midx.byteLength);
  const count = midx[6]!;
  const entryAt = (n: number) => HEADER_BYTES + n * ENTRY_BYTES;
  const offsetOf = (n: number) => Number(view.getBigUint64(entryAt(n) + 4));
  const chunks = Array.from({ length: count }, (_, n) => ({
    id: midx.subarray(entryAt(n), entryAt(n) + 4),
    bytes: midx.subarray(offsetOf(n), offsetOf(n + 1)),
  }));
  for (const chunk of chunks) {
    if (new TextDecoder().decode(chunk.id) === "PNAM") chunk.bytes = prefixed(chunk.bytes, prefix);
  }
  let at = entryAt(count + 1);
  const table = [...chunks, { id: new Uint8Array(4), bytes: new Uint8Array() }].map(({ id, bytes }) => {
    const entry = new Uint8Array(ENTRY_BYTES);
    entry.set(id);
    new DataView(entry.buffer).setBigUint64(4, BigInt(at));
    at += bytes.length;
    return entry;
  });
  const body = concat([midx.subarray(0, HEADER_BYTES), ...table, ...chunks.map(({ bytes }) => bytes)]);
  return concat([body, createHash("sha1").update(body).digest()]);
}

function prefixed(names: Uint8Array, prefix: string): Uint8Array {
  const list = new TextDecoder().decode(names).split("\0").filter((name) => name !== "");
  const text = list.map((name) => `${prefix}${name}\0`).join("");
  return new TextEncoder().encode(text.padEnd(Math.ceil(text.length / 4) * 4, "\0"));
}
