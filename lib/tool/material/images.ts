import { ExaiError } from "../../base/errors.ts";
import { ownEntry } from "../../base/json.ts";
import { quoteName } from "../../base/text.ts";
import { formatBytes, MIB } from "../../base/units.ts";
import type { ImagePart } from "../../provider/provider.ts";
import type { Workspace } from "../../workspace/workspace.ts";
import { scaleImage } from "./image_scaler.ts";
import type { Omission } from "./left_out.ts";

/** Largest image that is taken. */
const MAX_IMAGE_BYTES = 20 * MIB;
/** What every provider takes: 5 MB in base64 for one image, and about 20 MB for all of a request. */
const MAX_SENT_BYTES = 3_750_000;
const MAX_SENT_BYTES_IN_ALL = 15_000_000;
/** The longest side that every provider takes. */
const MAX_SIDE = 6000;
/** The longest side of an image that was scaled: models see no more. */
const SCALED_SIDE = 2048;
/** More pixels take more memory than the daemon has for an image: four bytes each, twice. */
const MAX_PIXELS = 64_000_000;

/** Image types by their signatures, and whether models take them. */
const TYPES: readonly [
  mime: string,
  signature: string,
  offset: number,
  use: "sent" | "converted" | "refused",
][] = [
  ["image/png", "\x89PNG", 0, "sent"],
  ["image/jpeg", "\xff\xd8\xff", 0, "sent"],
  ["image/gif", "GIF8", 0, "sent"],
  ["image/webp", "WEBPVP8", 8, "sent"],
  ["image/bmp", "BM", 0, "converted"],
  ["image/tiff", "II*\0", 0, "refused"],
  ["image/tiff", "MM\0*", 0, "refused"],
  ["image/avif", "ftypavif", 4, "refused"],
  ["image/heic", "ftypheic", 4, "refused"],
  ["image/heic", "ftypheix", 4, "refused"],
  ["image/heic", "ftypmif1", 4, "refused"],
];
const TAKEN = "PNG, JPEG, GIF or WebP";

/** Names of types that people write. */
const ALIASES: Readonly<Record<string, string>> = {
  "image/jpg": "image/jpeg",
  "image/pjpeg": "image/jpeg",
  "image/x-png": "image/png",
  "image/x-ms-bmp": "image/bmp",
  "image/tif": "image/tiff",
};

const DATA_URL = /^data:([a-z]+\/[a-z0-9.+-]+)?((?:;[^;,]*)*?);base64,/i;

/** Images as a model gets them, and those that cannot be shown. */
interface LoadedImages {
  parts: readonly ImagePart[];
  leftOut: readonly Omission[];
}

interface LoadImagesOptions {
  workspace: Workspace;
  /** Whether an image that cannot be shown is noted; otherwise, or when it is forbidden, it rejects the call. */
  notesErrors?: boolean;
}

/**
 * Loads images given by path, `data:` URL or `https:` URL. Files become `data:` URLs. One that is larger than providers
 * take is scaled down.
 *
 * @throws {ExaiError} `FORBIDDEN`, and unless errors are noted `INVALID_PARAMS` or `TOO_LARGE`, naming the image
 */
export async function loadImages(
  images: readonly string[],
  { workspace, notesErrors = false }: LoadImagesOptions,
): Promise<LoadedImages> {
  const maxBytes = Math.floor(Math.min(MAX_SENT_BYTES, MAX_SENT_BYTES_IN_ALL / images.length));
  const parts: ImagePart[] = [];
  const leftOut: Omission[] = [];
  // One after the other: each may have 20 MB.
  for (const image of images) {
    try {
      const { url, scaled } = await load(image, { workspace, maxBytes });
      parts.push({ type: "image", url });
      if (scaled !== undefined) leftOut.push({ name: clipped(image), reason: scaled, kind: "scaled" });
    } catch (thrown) {
      const { code, message } = ExaiError.from(thrown);
      if (!notesErrors || code === "FORBIDDEN") throw thrown;
      leftOut.push({ name: clipped(image), reason: message, kind: "unreadable" });
    }
  }
  return { parts, leftOut };
}

interface ImageLoadOptions {
  workspace: Workspace;
  /** The largest image that is sent. */
  maxBytes: number;
}

/** An image that can be sent. */
interface SendableImage {
  url: string;
  /** What was done to it. */
  scaled?: string;
}

async function load(image: string, { workspace, maxBytes }: ImageLoadOptions): Promise<SendableImage> {
  if (/^https:\/\//i.test(image)) return { url: image };
  if (/^http:\/\//i.test(image)) {
    throw unusable(
      clipped(image),
      "is at an http: URL, which no provider fetches; give an https: URL or a file",
    );
  }
  if (/^data:/i.test(image)) return await prepare(readDataUrl(image), { name: clipped(image), maxBytes });
  const entry = await workspace.find(image);
  if (entry.kind !== "file") throw unusable(image, "is a directory; name the images one by one");
  if (entry.sizeBytes > MAX_IMAGE_BYTES) throw tooLarge(image, entry.sizeBytes);
  const bytes = await workspace.read(entry, { maxBytes: MAX_IMAGE_BYTES });
  return await prepare({ bytes }, { name: image, maxBytes });
}

/** The content of an image, and the type its URL gives. */
interface LoadedImage {
  bytes: Uint8Array;
  namedType?: string;
}

function readDataUrl(url: string): LoadedImage {
  const shown = clipped(url);
  const [head, type = "image/png"] = DATA_URL.exec(url.slice(0, 500)) ?? [];
  if (head === undefined) throw unusable(shown, "is no data URL in base64, as data:image/png;base64,…");
  const namedType = ownEntry(ALIASES, type.toLowerCase()) ?? type.toLowerCase();
  if (!TYPES.some(([mime]) => mime === namedType)) {
    throw unusable(shown, `has the type ${type}; an image may be ${TAKEN}`);
  }
  const base64 = url.slice(head.length);
  const sizeBytes = Math.floor(base64.length * 3 / 4);
  if (sizeBytes > MAX_IMAGE_BYTES + 3) throw tooLarge(shown, sizeBytes);
  const alphabet = /[-_]/.test(base64) ? "base64url" : "base64";
  try {
    return { bytes: Uint8Array.fromBase64(base64, { alphabet }), namedType };
  } catch {
    throw unusable(shown, "is no base64 after the comma");
  }
}

async function prepare(
  { bytes, namedType }: LoadedImage,
  { name, maxBytes }: { name: string; maxBytes: number },
): Promise<SendableImage> {
  const [found, , , use = "sent"] = typeOf(bytes) ?? [];
  // The content counts: a provider refuses a JPEG called PNG. A type it does not show is left to the provider.
  const type = found ?? namedType;
  if (type === undefined) throw unusable(name, `is no ${TAKEN}; convert it, or name text in files`);
  if (use === "refused") {
    throw unusable(name, `is ${type}, which models do not take; convert it to PNG or JPEG`);
  }
  const size = await sizeOf(bytes);
  if (size !== undefined && size.width * size.height > MAX_PIXELS) {
    throw new ExaiError(
      "TOO_LARGE",
      `the image ${
        quoteName(name)
      } has ${size.width} x ${size.height} pixels, and ${MAX_PIXELS} are taken; scale it down`,
    );
  }
  const isWide = size !== undefined && Math.max(size.width, size.height) > MAX_SIDE;
  if (use === "sent" && bytes.length <= maxBytes && !isWide) return { url: toDataUrl(type, bytes) };
  try {
    const scaled = await scaleImage({
      bytes: bytes as Uint8Array<ArrayBuffer>,
      maxSide: SCALED_SIDE,
      maxBytes,
    });
    const to = await sizeOf(scaled.bytes);
    const pixels = size && to && `${size.width} x ${size.height} to ${to.width} x ${to.height} pixels`;
    return {
      url: toDataUrl(scaled.type, scaled.bytes),
      scaled: `shown smaller: from ${formatBytes(bytes.length)} to ${
        formatBytes(scaled.bytes.length)
      }, ${pixels}`,
    };
  } catch (thrown) {
    const { code, message } = ExaiError.from(thrown);
    throw new ExaiError(code, `the image ${quoteName(name)} cannot be used: ${message}`, { cause: thrown });
  }
}

async function sizeOf(bytes: Uint8Array): Promise<{ width: number; height: number } | undefined> {
  const { imageDimensionsFromData } = await import("image-dimensions");
  return imageDimensionsFromData(bytes) ?? bmpSize(bytes);
}

/** Where a BMP has its size (BITMAPINFOHEADER). */
function bmpSize(bytes: Uint8Array): { width: number; height: number } | undefined {
  if (typeOf(bytes)?.[0] !== "image/bmp" || bytes.length < 26) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) };
}

function typeOf(bytes: Uint8Array): typeof TYPES[number] | undefined {
  return TYPES.find(([, signature, offset]) =>
    [...signature].every((char, i) => bytes[offset + i] === char.charCodeAt(0))
  );
}

function toDataUrl(type: string, bytes: Uint8Array): string {
  return `data:${type};base64,${bytes.toBase64()}`;
}

function clipped(url: string): string {
  return /^data:/i.test(url) && url.length > 30 ? `${url.slice(0, 30)}…` : url;
}

function tooLarge(image: string, bytes: number): ExaiError {
  return new ExaiError(
    "TOO_LARGE",
    `the image ${quoteName(image)} has ${formatBytes(bytes)}, and one may have ${
      formatBytes(MAX_IMAGE_BYTES)
    }; ` +
      "scale it down",
  );
}

function unusable(image: string, why: string): ExaiError {
  return new ExaiError("INVALID_PARAMS", `the image ${quoteName(image)} ${why}`);
}
