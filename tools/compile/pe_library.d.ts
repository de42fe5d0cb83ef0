// What is used here of pe-library, whose own types bring those of the DOM, which contradict Deno's.

export interface ResourceEntry {
  type: number | string;
  id: number | string;
  lang: number | string;
  bin: ArrayBuffer;
}

export class NtExecutable {
  static from(program: Uint8Array, options?: { ignoreCert?: boolean }): NtExecutable;
  static createEmpty(is32Bit: boolean, isDll: boolean): NtExecutable;
  generate(): ArrayBuffer;
}

export class NtExecutableResource {
  static from(executable: NtExecutable): NtExecutableResource;
  readonly entries: ResourceEntry[];
  outputResource(executable: NtExecutable): void;
}
