/**
 * The program of a worker that scales images down: decoding takes a second and hundreds of megabytes, which the daemon's
 * own thread cannot spare.
 */

/** An image to scale down. */
export interface ScaleRequest {
  bytes: Uint8Array<ArrayBuffer>;
  /** The longest side of the result, in pixels. */
  maxSide: number;
  maxBytes: number;
}

/** The scaled image, or why there is none. */
export type ScaleResult = { bytes: Uint8Array; type: "image/png" | "image/jpeg" } | { error: string };

/** Where this file is: once it is bundled its name is another. */
export const IMAGE_WORKER_URL = import.meta.url;

const JPEG_QUALITY = 85;
/** How much smaller the sides become with each try. */
const STEP = 0.75;
const MAX_TRIES = 8;

async function scale({ bytes, maxSide, maxBytes }: ScaleRequest): Promise<ScaleResult> {
  const { PhotonImage, resize, SamplingFilter } = await import("@cf-wasm/photon");
  const image = PhotonImage.new_from_byteslice(bytes);
  const [width, height] = [image.get_width(), image.get_height()];
  let factor = Math.min(1, maxSide / Math.max(width, height));
  for (let tries = 0; tries < MAX_TRIES; tries++, factor *= STEP) {
    const side = (length: number) => Math.max(1, Math.round(length * factor));
    const smaller = factor === 1 ? image : resize(image, side(width), side(height), SamplingFilter.Lanczos3);
    // A screenshot stays sharp, and what is transparent stays so.
    const png = smaller.get_bytes();
    if (png.length <= maxBytes) return { bytes: png, type: "image/png" };
    const jpeg = smaller.get_bytes_jpeg(JPEG_QUALITY);
    if (jpeg.length <= maxBytes) return { bytes: jpeg, type: "image/jpeg" };
    if (smaller !== image) smaller.free();
  }
  return { error: `it does not fit into ${maxBytes} bytes` };
}

/** The part of the global scope of a worker that is used here. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ScaleRequest>) => void) | null;
  postMessage(message: ScaleResult): void;
}

// The daemon's own thread loads this file for its place alone.
if ("WorkerGlobalScope" in globalThis) {
  const scope = globalThis as unknown as WorkerScope;
  scope.onmessage = async ({ data }) => {
    scope.postMessage(
      await scale(data).catch((thrown) => ({
        error: thrown instanceof Error ? thrown.message : String(thrown),
      })),
    );
  };
}
