/**
 * Draws install/exai.ico, the icon of the programs on Windows: three windows on the left joined to one daemon on the right.
 * Run it after a change here; a test compares the file with what is drawn.
 */
import { fromFileUrl } from "@std/path";
import { deflateSync } from "node:zlib";

/** As Explorer asks for them; larger than 48 as PNG, which older programs do not read. */
const SIZES = [16, 20, 24, 32, 40, 48, 64, 256];
const PNG_FROM = 64;
/** Samples of one pixel in each direction. */
const SAMPLES = 4;

type Colour = readonly [red: number, green: number, blue: number];
const GROUND: Colour = [24, 32, 56];
const LINES: Colour = [120, 200, 235];
const DAEMON: Colour = [255, 190, 80];

/** Distance of a point from the segment from a to b. */
function fromSegment(at: Point, a: Point, b: Point): number {
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const along = ((at[0] - a[0]) * dx + (at[1] - a[1]) * dy) / (dx * dx + dy * dy);
  const t = Math.max(0, Math.min(1, along));
  return Math.hypot(at[0] - a[0] - t * dx, at[1] - a[1] - t * dy);
}

type Point = readonly [x: number, y: number];
const HUB: Point = [0.68, 0.5];
const WINDOWS: readonly Point[] = [[0.26, 0.24], [0.22, 0.5], [0.26, 0.76]];

/** The colour at a point of the unit square; undefined where the icon is transparent. */
function colourAt(at: Point): Colour | undefined {
  const [x, y] = at;
  const radius = 0.2;
  const [cx, cy] = [Math.max(radius, Math.min(1 - radius, x)), Math.max(radius, Math.min(1 - radius, y))];
  if (Math.hypot(x - cx, y - cy) > radius) return undefined;
  if (Math.hypot(x - HUB[0], y - HUB[1]) < 0.19) return DAEMON;
  if (WINDOWS.some((window) => Math.hypot(x - window[0], y - window[1]) < 0.1)) return LINES;
  if (WINDOWS.some((window) => fromSegment(at, window, HUB) < 0.035)) return LINES;
  return GROUND;
}

/** The pixels of one size as RGBA, from the top. */
function draw(size: number): Uint8Array {
  const pixels = new Uint8Array(size * size * 4);
  for (let index = 0; index < size * size; index++) {
    const [px, py] = [index % size, Math.floor(index / size)];
    const sum = [0, 0, 0];
    let covered = 0;
    for (let sample = 0; sample < SAMPLES * SAMPLES; sample++) {
      const [sx, sy] = [(sample % SAMPLES + 0.5) / SAMPLES, (Math.floor(sample / SAMPLES) + 0.5) / SAMPLES];
      const colour = colourAt([(px + sx) / size, (py + sy) / size]);
      if (colour === undefined) continue;
      covered++;
      colour.forEach((part, at) => sum[at]! += part);
    }
    if (covered === 0) continue;
    const alpha = Math.round(255 * covered / (SAMPLES * SAMPLES));
    pixels.set([...sum.map((part) => Math.round(part / covered)), alpha], index * 4);
  }
  return pixels;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = Uint8Array.from([...new TextEncoder().encode(type), ...data]);
  const crc = body.reduce((crc, byte) => CRC_TABLE[(crc ^ byte) & 255]! ^ (crc >>> 8), 0xffffffff) ^
    0xffffffff;
  return concat([big32(data.length), body, big32(crc >>> 0)]);
}

function png(size: number): Uint8Array {
  const pixels = draw(size);
  const rows = Array.from(
    { length: size },
    (_, y) => [0, ...pixels.subarray(y * size * 4, (y + 1) * size * 4)],
  );
  return concat([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10),
    chunk("IHDR", concat([big32(size), big32(size), Uint8Array.of(8, 6, 0, 0, 0)])),
    chunk("IDAT", deflateSync(Uint8Array.from(rows.flat()), { level: 9 })),
    chunk("IEND", new Uint8Array()),
  ]);
}

/** A bitmap as icons have them: rows from the bottom, BGRA, then a mask that is all zero because alpha says it. */
function bitmap(size: number): Uint8Array {
  const pixels = draw(size);
  const mask = new Uint8Array(Math.ceil(size / 32) * 4 * size);
  const rows = Array.from({ length: size }, (_, y) => {
    const row = pixels.slice((size - 1 - y) * size * 4, (size - y) * size * 4);
    for (let at = 0; at < row.length; at += 4) [row[at], row[at + 2]] = [row[at + 2]!, row[at]!];
    return row;
  });
  const header = new DataView(new ArrayBuffer(40));
  [40, size, size * 2].forEach((value, at) => header.setUint32(at * 4, value, true));
  header.setUint16(12, 1, true);
  header.setUint16(14, 32, true);
  header.setUint32(20, size * size * 4 + mask.length, true);
  return concat([new Uint8Array(header.buffer), ...rows, mask]);
}

/** The icon file. */
export function drawIcon(): Uint8Array {
  const images = SIZES.map((size) => size < PNG_FROM ? bitmap(size) : png(size));
  const directory = new DataView(new ArrayBuffer(6 + 16 * SIZES.length));
  directory.setUint16(2, 1, true);
  directory.setUint16(4, SIZES.length, true);
  let offset = directory.byteLength;
  SIZES.forEach((size, at) => {
    const entry = 6 + 16 * at;
    // 256 is written as 0.
    directory.setUint8(entry, size & 255);
    directory.setUint8(entry + 1, size & 255);
    directory.setUint16(entry + 4, 1, true);
    directory.setUint16(entry + 6, 32, true);
    directory.setUint32(entry + 8, images[at]!.length, true);
    directory.setUint32(entry + 12, offset, true);
    offset += images[at]!.length;
  });
  return concat([new Uint8Array(directory.buffer), ...images]);
}

function big32(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, value);
  return new Uint8Array(view.buffer);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

if (import.meta.main) {
  await Deno.writeFile(fromFileUrl(new URL("../../install/exai.ico", import.meta.url)), drawIcon());
}
