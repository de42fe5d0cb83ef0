import { Buffer } from "node:buffer";

/** A message as it stood on its line. */
export interface Line {
  /** Its text; of a {@linkcode Utf8Line} decoded each time. */
  readonly text: string;
  /** Its size in UTF-8. */
  readonly bytes: number;
  /** The message in UTF-8, if it is passed on so. */
  readonly utf8?: Uint8Array<ArrayBuffer>;
}

const SPACE = 0x20;

/** A message that stays in UTF-8. Of it only the ends were looked at, so that it may not even be JSON. */
export class Utf8Line implements Line {
  readonly utf8: Uint8Array<ArrayBuffer>;

  constructor(utf8: Uint8Array<ArrayBuffer>) {
    this.utf8 = utf8;
  }

  /** One of the part of `line` before its line break; `line` is valid only for now. */
  static from(line: Uint8Array): Utf8Line {
    let end = line.length;
    // No message ends with a character up to the space.
    while (end > 0 && line[end - 1]! <= SPACE) end--;
    const isOwn = line.byteLength === line.buffer.byteLength;
    return new Utf8Line((isOwn ? line : new Uint8Array(line)).subarray(0, end) as Uint8Array<ArrayBuffer>);
  }

  get text(): string {
    return decodeUtf8(this.utf8).trim();
  }

  get bytes(): number {
    return this.utf8.length;
  }

  /** As much of both ends as is looked at (`readEnds`). */
  ends(chars: { head: number; tail: number }): [string, string] {
    const { utf8 } = this;
    return [decodeUtf8(utf8.subarray(0, chars.head)), decodeUtf8(utf8.subarray(-chars.tail))];
  }
}

/** The text in `utf8`, a byte order mark included. */
export function decodeUtf8(utf8: Uint8Array): string {
  return Buffer.from(utf8.buffer, utf8.byteOffset, utf8.byteLength).toString("utf8");
}
