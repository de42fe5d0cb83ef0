import { ExaiError } from "../../base/errors.ts";
import { quoteName } from "../../base/text.ts";
import type { ImagePart } from "../../provider/provider.ts";
import { MAX_FILE_BYTES, type Workspace } from "../../workspace/workspace.ts";

/** The image types models accept, with their signatures. */
const TYPES: readonly [mime: string, signature: string, offset: number][] = [
  ["image/png", "\x89PNG", 0],
  ["image/jpeg", "\xff\xd8\xff", 0],
  ["image/gif", "GIF8", 0],
  ["image/webp", "WEBP", 8],
];

const DATA_URL = /^data:([a-z]+\/[a-z0-9.+-]+);base64,([A-Za-z0-9+/\s]*={0,2})$/i;

/**
 * Loads images given by path, `data:` URL or `https:` URL. Files become `data:` URLs.
 *
 * @throws {ExaiError} `INVALID_PARAMS` or `TOO_LARGE` naming the unusable image
 */
export async function loadImages(images: readonly string[], workspace: Workspace): Promise<ImagePart[]> {
  return await Promise.all(
    images.map(async (image) => ({ type: "image", url: await load(image, workspace) }) as const),
  );
}

async function load(image: string, workspace: Workspace): Promise<string> {
  if (/^https:\/\//i.test(image)) return image;
  if (/^data:/i.test(image)) return checkDataUrl(image);
  const entry = await workspace.find(image);
  if (entry.kind !== "file") throw unusable(image, "is a directory; name the images one by one");
  const bytes = await workspace.read(entry, { maxBytes: MAX_FILE_BYTES });
  const type = typeOf(bytes);
  if (type === undefined) {
    throw unusable(image, "is no PNG, JPEG, GIF or WebP; convert it, or name text in files");
  }
  return `data:${type};base64,${bytes.toBase64()}`;
}

function checkDataUrl(url: string): string {
  const [, type, base64 = ""] = DATA_URL.exec(url) ?? [];
  const shown = `${url.slice(0, 30)}…`;
  if (type === undefined) throw unusable(shown, "is no data URL in base64, as data:image/png;base64,…");
  if (!TYPES.some(([mime]) => mime === type.toLowerCase())) {
    throw unusable(shown, `has the type ${type}; allowed: ${TYPES.map(([mime]) => mime).join(", ")}`);
  }
  const bytes = Math.floor(base64.length * 3 / 4);
  if (bytes > MAX_FILE_BYTES) {
    throw new ExaiError(
      "TOO_LARGE",
      `an image has about ${bytes} bytes, and one may have ${MAX_FILE_BYTES}; scale it down`,
    );
  }
  return url;
}

function typeOf(bytes: Uint8Array): string | undefined {
  const found = TYPES.find(([, signature, offset]) =>
    [...signature].every((char, i) => bytes[offset + i] === char.charCodeAt(0))
  );
  return found?.[0];
}

function unusable(image: string, why: string): ExaiError {
  return new ExaiError("INVALID_PARAMS", `the image ${quoteName(image)} ${why}`);
}
