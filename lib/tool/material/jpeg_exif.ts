import { concat } from "@std/bytes/concat";

const START_OF_IMAGE = 0xd8;
const APP1 = 0xe1;
const START_OF_SCAN = 0xda;
const EXIF = [0x45, 0x78, 0x69, 0x66, 0, 0];

/** The segment of a JPEG that holds its Exif data, with the marker; undefined when it has none. */
export function exifOf(jpeg: Uint8Array): Uint8Array | undefined {
  if (jpeg[0] !== 0xff || jpeg[1] !== START_OF_IMAGE) return undefined;
  for (let at = 2; at + 4 < jpeg.length && jpeg[at] === 0xff && jpeg[at + 1] !== START_OF_SCAN;) {
    const end = at + 2 + jpeg[at + 2]! * 256 + jpeg[at + 3]!;
    const isExif = jpeg[at + 1] === APP1 && EXIF.every((byte, i) => jpeg[at + 4 + i] === byte);
    if (isExif) return end <= jpeg.length ? jpeg.subarray(at, end) : undefined;
    at = end;
  }
  return undefined;
}

/** `jpeg` with the segment `exif` at its beginning. */
export function withExif(jpeg: Uint8Array, exif: Uint8Array): Uint8Array {
  return concat([jpeg.subarray(0, 2), exif, jpeg.subarray(2)]);
}
