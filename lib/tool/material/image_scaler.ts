import { ExaiError } from "../../base/errors.ts";
import { SECOND_MS } from "../../base/units.ts";
import { hashOf } from "./attachment.ts";
import type { ScaleRequest, ScaleResult } from "./image_worker.ts";
import { exifOf, withExif } from "./jpeg_exif.ts";

const TIMEOUT_MS = 60 * SECOND_MS;

/** Images being scaled, by content and limits: the models of a consensus are asked about the same ones. */
const running = new Map<string, Promise<ScaledImage>>();
/** One at a time: each takes hundreds of megabytes. */
let last: Promise<unknown> = Promise.resolve();

/** An image that was scaled down. */
type ScaledImage = Exclude<ScaleResult, { error: string }>;

/**
 * Scales an image down, in a thread of its own. PNG, JPEG, GIF (its first picture), WebP and BMP are decoded.
 *
 * @throws {ExaiError} `INVALID_PARAMS` when it cannot be decoded, `TIMEOUT`
 */
export async function scaleImage(request: ScaleRequest): Promise<ScaledImage> {
  const key = `${await hashOf(request.bytes)} ${request.maxSide} ${request.maxBytes}`;
  const known = running.get(key);
  if (known !== undefined) return await known;
  const work = last.then(() => scale(request));
  last = work.catch(() => {});
  running.set(key, work);
  try {
    return await work;
  } finally {
    running.delete(key);
  }
}

async function scale(request: ScaleRequest): Promise<ScaledImage> {
  const result = await runInWorker(request);
  if ("error" in result) throw new ExaiError("INVALID_PARAMS", `it cannot be decoded (${result.error})`);
  const exif = result.type === "image/jpeg" ? exifOf(request.bytes) : undefined;
  // A photograph says there which side is up.
  return exif === undefined ? result : { ...result, bytes: withExif(result.bytes, exif) };
}

async function runInWorker(request: ScaleRequest): Promise<ScaleResult> {
  const { IMAGE_WORKER_URL } = await import("./image_worker.ts");
  const worker = new Worker(IMAGE_WORKER_URL, { type: "module", name: "images" });
  const { promise, resolve, reject } = Promise.withResolvers<ScaleResult>();
  const timer = setTimeout(() => {
    const seconds = TIMEOUT_MS / SECOND_MS;
    reject(new ExaiError("TIMEOUT", `it was not scaled down within ${seconds} s; scale it down yourself`));
  }, TIMEOUT_MS);
  worker.onmessage = ({ data }: MessageEvent<ScaleResult>) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    resolve({ error: event.message });
  };
  try {
    worker.postMessage(request);
    return await promise;
  } finally {
    clearTimeout(timer);
    worker.terminate();
  }
}
